// Package identity knows who uses the console: users of a local file with argon2id passwords or of an OpenID Connect
// provider, their roles (CONTRACT section 1) and the partner they are confined to (REP-04), and their sessions.
//
// A session is a sealed cookie: any process that has the key file can open it, and a restart, clean or not, ends no
// session. It ends when it was idle for too long, when its time is over, when its user signs out (known to all processes
// through ringfence.sessions), and when a local user is removed, gets another password or other roles.
package identity
