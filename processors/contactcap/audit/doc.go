// Package audit redoes the decisions of the past from the event log and compares (issue: compliance must be able to prove
// that a customer was never called past a cap, and why each call was allowed).
//
// Redo runs the customer events of one partition through the processor in memory. At each permit request the state goes
// on with the decision that was really given, so that what follows stands on what really happened; beside it the request
// is decided anew: under the policy in force (Audit: any difference is an error with the event's position) or under
// another (Replay: what that policy would have denied).
//
// Memory grows with the decisions and the customers of the log. Decisions under a policy that is no longer in force are
// counted and not compared: nobody can redo them without that policy.
package audit
