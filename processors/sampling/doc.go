// Package sampling draws the recordings QA must hear: exactly one in ten of every agent's valid recordings of every day
// (SMP-01), each as soon as it arrives, unpredictable to the agent, and computable again by anybody once the day's key
// is published (CONTRACT.md section 8).
//
// A day's key is derived from one secret, so every partition and process has the same one without talking; its SHA-256
// is published two days ahead, for days of the past when they are first seen. A key is revealed only when every
// partition has said that the day is closed there: a keeper (the partition of the day's own key) asks, each partition
// closes the day for agents it has not seen yet, and answers; so no draw of the day still depends on a secret that is out.
package sampling
