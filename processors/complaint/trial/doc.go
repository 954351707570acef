// Package trial puts the watch over complaints to the test on simulated centres: how often it cries wolf when nothing
// happens, and how soon it sees what does, beside a fixed threshold, a z-score and the methods of public health
// surveillance, EARS C2 and the negative binomial CUSUM (Watkins et al., BMC Medical Informatics and Decision Making 2008,
// 8:37, found CUSUM better than EARS at the same rate of false alarms). A centre is the same for the same seed.
//
// The centre: campaigns that call from nine to eight, less on weekends, with volumes and complaint rates that vary from
// day to day by a fifth without any cause; complaints come with a delay of some hours, some of them days after the call.
package trial
