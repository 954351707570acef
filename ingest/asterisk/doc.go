// Package asterisk reads the files an Asterisk leaves behind: the CDRs of cdr_csv (Master.csv) and queue_log.
//
// Several CDR rows make one call: those of one linkedid. The customer's channel is the one the call began with; rows of
// agents' legs and of the halves of a Local channel say who answered and when. Rows of OutgoingSpoolFailed belong to no
// call.
package asterisk
