// Package notify tells people what the watch has found: through Alertmanager, signed webhooks, e-mail and the chats
// DingTalk, WeCom, Feishu and Slack.
//
// # What is promised
//
// Every receiver is a consumer group of its own on ringfence.alerts and commits a record when it has acknowledged it, one
// at a time and in order. So a receiver is told of each change of an incident's state at least once, whatever dies in
// between, and not again once its acknowledgement is committed; a receiver that is away holds up nobody else. Killed
// between an acknowledgement and its commit, it is told once more under the same id (webhook-id, "incident/seq"), which is
// how the other side knows: nothing that speaks HTTP can do better. Alertmanager knows by the labels.
//
// Alertmanager keeps alerts in memory, so every alerts.refresh it is told again what goes on, and for a quarter of an hour
// what has ended; one that was restarted knows within that time what it had known. A refresh is no change of state: it
// notifies nobody, and other receivers get none. What stands is read from the topic up to the committed place, so our own
// restart loses nothing of it.
//
// Muted incidents, and those found in an import of the past, are told to nobody; an Alertmanager that was told of an incident
// before it was muted is told of its end. What a receiver has not taken for GiveUp is given up, counted
// (ringfence_notifications_total, result gave_up) and logged as an error.
package notify
