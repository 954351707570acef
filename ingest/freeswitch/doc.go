// Package freeswitch reads what FreeSWITCH's mod_json_cdr and mod_xml_cdr write or post: one record a leg.
//
// One call is the leg that was dialled and the legs bridged to it. The record that says who called whom is the leg's
// own; variables are percent-encoded unless encode-values is off, and some are repeated.
package freeswitch
