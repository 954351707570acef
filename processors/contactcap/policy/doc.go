// Package policy reads contact policies (CONTRACT.md section 4): YAML files of rules that say how often, how soon and
// when a customer may be called. A policy that does not parse, repeats an id or names an unknown field is refused with
// file, line, column and what was expected. Shipped presets are policies like any other (REQUIREMENTS.md A and P).
package policy
