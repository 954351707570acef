// Package simulated is a carrier whose customers are made up, so that a centre can be shown and tested without a
// telephone line. The same seed and attempt id always give the same customer behaviour.
//
// Where the figures come from: the UCI Bank Marketing data set (S. Moro, P. Cortez, P. Rita, "A Data-Driven Approach
// to Predict the Success of Bank Telemarketing", Decision Support Systems 62, 2014; CC BY 4.0), bank-full, 45,211
// customers of a real campaign:
//   - a customer was contacted 2.764 times in the campaign; read as attempts until he was reached that is an answer
//     rate of 1/2.764 = 0.362 (HumanRate);
//   - 11.698 % subscribed (AgreeRate);
//   - the last call's duration, in seconds, at the 2, 10, 25, 50, 75, 90 and 98 % quantiles: 97, 161, 244, 426, 725,
//     1062, 1576 for those who subscribed and 15, 54, 95, 164, 279, 447, 811 for those who did not.
//
// How the unanswered calls split (busy, rejected, machine, ...), ring times, refusals and opt-outs are not in that
// data: those figures are our own assumptions and are named so below.
package simulated
