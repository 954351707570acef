// Package kafka is what every part that speaks to the brokers shares: how to reach them, and the topics.
package kafka
