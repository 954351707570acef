// Package freeswitch reads what FreeSWITCH's mod_json_cdr and mod_xml_cdr write or post: one record a leg.
//
// Every record is a call of its own, named after its uuid: legs bridged to each other are not joined. Switch off the
// records of the other leg (log-b-leg) or each of them counts. Variables are percent-encoded unless encode-values is
// off; of repeated ones the first holds.
package freeswitch
