// Package stream is the exactly-once runtime every processor runs on. A processor is a function from (state of one
// key, one record) to (new state, outputs); the Runner owns the rest.
//
// Each poll is one Kafka transaction that holds the outputs, the last value of every state that changed (in the
// changelog, a compacted topic with the inputs' number of partitions) and the input offsets. The states become
// those of the partition only after its commit. They reach the local store (Pebble) behind the transactions, in
// batches that also hold the changelog offset up to which they are true, so that a start replays the tail alone.
//
// # What is promised, under which failure, and the test that causes it
//
//   - Every record changes the states once and its outputs appear once, in order of the partition; a reader needs
//     read_committed. TestCountsEveryRecordOnce, TestRestartGoesOn.
//   - Process killed (kill -9) at any moment: the same; the next owner ends the transaction the dead one left
//     open, on the changelog or on outputs alone. TestKillMinus9, TestKillOneOfTwo, TestOutputsOfAProcessThatIsGone.
//   - A transaction aborted, a request refused, the answer to a commit lost: the same. When nobody knows whether
//     a transaction is committed, the runtime starts a new session and learns it from the committed offsets and
//     the changelog. TestRequestsFail, TestAnswersLost.
//   - Two processes under one transactional ID, or one that wakes after its partitions were given away: fenced,
//     timers too, since a transaction of timers alone commits offsets as well. TestZombieIsFenced.
//   - The disk full: Status says so, no more records are taken than memory may hold, and work goes on when there is
//     room again. TestDiskFull.
//   - Run ends soon after its context does, whatever the group waits for. TestStoppedWhileJoining.
//   - With Config.Standby a process follows the changelogs of the partitions that others own, so that a large state is
//     there when its owner dies: only the tail is replayed. TestStandby.
//   - Partitions move between processes: a process that gets one back replays what others did since, before it
//     processes. TestRebalance.
//   - The store lost, older, of another changelog, or older than the changelog's tombstones: replayed, from the
//     start if need be. TestStoreLost, TestChangelogMadeAnew, TestBulkAgainstModel, TestBulkCutOff. With the changelog deleted the states are gone.
//   - Memory is bounded: CacheEntries decoded states, at most 200,000 keys on their way to the store, the store's
//     caches, one poll of records; of a recovery from the start 32 MiB of changelog and one fetch for each of eight partitions at most. TestCacheSmallerThanState.
//   - A Reject takes back all its record did and sends the record to the dead letter. A panic or another error
//     aborts the transaction; the record is tried Config.Attempts times while other partitions go on, then goes
//     to the dead letter. An error of the disk is never a record's fault: the runtime waits.
//     TestRejectedRecordLeavesNothing, TestPoisonedRecord.
//   - Timers are part of the state. They fire once, never before their time, before the records of a later time
//     that are polled after it, and through all of the above. TestTimersOutlive.
//   - The clock steps back: Now stands still until it has caught up. TestClockStepsBack.
//   - Kafka away: Status says not ready, nothing is lost, work goes on when it is back. TestKafkaAway.
//   - The number of partitions changed: Run refuses with an explanation. TestPartitionsChanged.
//   - All of what one partition does in memory, against a model, with records taken back, transactions aborted and
//     memory lost in any order: TestPartitionAgainstModel.
//
// What isn't promised: side effects of Process outside its Context happen as often as it is called. A state or
// output of more than a megabyte is an error of its record. The store survives kill -9 and a power cut only as
// far as the changelog does, since that is its log.
//
// # Brokers
//
// A killed process's partitions wait for Config.Session (3 s). Apache Kafka refuses sessions below
// group.min.session.timeout.ms, 6 s by default; the runtime then takes 6 s and says so in the log. Set it to 3000
// on the brokers. For short transactions there set add.partitions.to.txn.retry.backoff.ms to 1.
package stream
