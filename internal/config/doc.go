// Package config is everything an operator can set: one YAML file in which every key has a default and an unknown key
// is an error with its place and the nearest known one, overridden by key=value pairs, secrets from the environment
// or files (CONTRACT.md section 7).
package config
