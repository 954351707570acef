// Package auditlog writes down who did what (REP-05): sign-ins, what was revealed or taken out of the system, and what
// was refused. A record is in ringfence.audit-log, acknowledged by all replicas, before Write returns; so whoever does
// the thing after Write has returned nil leaves no gap. The sink brings the records to the table audit_log.
package auditlog
