// Package contactcap decides, before every dial, whether a customer may be called, and keeps account of every call.
//
// It guarantees, on the exactly-once runtime (CAP-01 to CAP-07, BL-01 to BL-07, CLI-01, REC-01):
//   - a permit is a reserved slot under every cap at once: permits out count as the worst call they can become, and time
//     alone never frees one; only its call takes its place, or its release removes it;
//   - a decision depends on the events of the customer and the request alone, so a replay gives the same decisions;
//   - what is forgotten changes no decision, and a policy that looks further back says from when it can be trusted;
//   - an event sent twice counts once; an update of a call changes only what it names, the later updated_at field by field;
//   - a call without a permit, after its permit's end, or with one that was given back, is counted all the same and is a
//     violation if it breaks a rule;
//   - what was sent under a bare number moves to the customer who turns out to own it, before that customer's next decision.
//
// The decision itself (decide.go, view.go, next.go, clock.go) is pure; processor.go binds it to the stream.
package contactcap
