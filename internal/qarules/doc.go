// Package qarules says who may do what with a task of the QA queue: who may hear a recording (SMP-02, SMP-04, REP-04,
// recusal), in which order tasks are taken, who may appeal and until when, and who decides (APL-01). It is pure, so that
// the processor that decides and the desk that offers tasks say the same.
package qarules
