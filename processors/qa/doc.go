// Package qa keeps the queue of recordings to be heard: a task is claimed, released, scored, published, appealed and
// decided by commands, each decided once and in order, whoever asks at the same moment and whatever process dies.
//
// # What is promised
//
//   - A task is done by one rater. Two who claim it at once: one gets it, the other is refused (taken). A claim runs out
//     after claim_ttl without a draft and the task is open again; what was entered stays for whoever claims it next if
//     it is the same rater, and is dropped otherwise.
//   - Nobody hears his own calls, those of an agent he is recused from, nor, where the draw forbids it, those of his own
//     team (SMP-04: an own leader's task is for that team's leader alone, another leader's never); nobody hears the same
//     call twice, so that the weekly draw is a second opinion (SMP-02). Partners stay apart (REP-04).
//   - A score is computed from the sheet by the rubric the sheet names (internal/rubric); nobody sends a score.
//   - An appeal: the agent's own, once, within three calendar days of publication; two votes, support and the agent's team
//     leader, for rejecting, amending or voiding; the reviewer has none; unless both say the same the original stands (APL-01).
//   - Every step is an event (ringfence.qa-events) with the task as it was after it; the tables are made of them.
//   - A command sent again under its command_id changes nothing and is answered as the first time.
//
// # Topics, all keyed by the agent whose call is heard, so that what concerns one agent is in order
//
//	qa-tasks      in     tasks drawn by sampling
//	qa-commands   in     event.QACommand
//	complaint-facts in   sent on as QACommand complained under the agent's key: such tasks come first
//	qa-events     out    event.QAEvent: one step; read by sampling (SMP-03, replacements) and the sink
//	qa-queue      out    event.QAQueueEntry, compacted, keyed by task: tasks that are not closed, drafts too
//	qa-answers    out    event.QAAnswer in the asker's partition
//	leads         out    a confirmation call of each invalid sale (REQUIREMENTS section C)
//
// # For those who build on it
//
// Package internal/qadesk is the way in: a Desk keeps every task that is not closed in memory (fed from qa-queue) and
// sends commands. Its methods, all safe for concurrent use; who is an *event.QAActor made from the session:
//
//	desk.Queue(who, Filter{...}) Page                       // open tasks he may take, in order; counts
//	desk.Mine(who) []*event.QATaskState                     // claimed by him, with drafts; those he may still see
//	desk.Task(who, id) (*event.QATaskState, error)          // one that is not closed and that he may see
//	desk.Results(who, Filter) / Appeals(who) / Calibration(id) []*event.QATaskState
//	desk.Workload() []Load                                  // claimed, overdue, done today per rater
//	desk.ClaimNext(ctx, who, Filter) (*event.QATaskState, error)
//	desk.Claim / Release / Draft / Score / Publish / Appeal / Decide / Report / Assign (ctx, who, taskID, ...) (*event.QATaskState, error)
//	desk.Recuse / Exempt / Calibrate (ctx, who, agentID, ...) (error)
//
// An error that is a *qadesk.Refusal was decided: Code is one of not_found taken forbidden conflict late invalid expired,
// Detail is a sentence for people, Pointer a JSON pointer into the sheet. Any other error: nobody knows; send the same
// command_id again. Closed tasks are read from ClickHouse (qa_task_status, qa_reviews, qa_appeals, qa_task_events).
// Scores are previewed with rubric.Score, the very function the processor uses.
//
// The same over HTTP, JSON as the messages are written by protojson with proto names: GET /v1/qa/tasks, /v1/qa/tasks/{id},
// /v1/qa/appeals, /v1/qa/workload, /v1/qa/rubrics, /v1/qa/calibrations/{id}; POST /v1/qa/claim,
// /v1/qa/tasks/{id}/{claim|release|draft|score|publish|appeal|decide|report|assign}, /v1/qa/recusals, /v1/qa/exemptions,
// /v1/qa/calibrations.
package qa
