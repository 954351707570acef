// Package agenttime turns agents' transitions into closed intervals of one state, the ground of all hours (K-15 to
// K-24). A state lasts until the agent's next transition, at most the time-out; a transition to the same state starts
// that anew; of transitions at one instant the one that arrived last holds; late ones correct what was said before.
// Intervals are cut at midnight of the reporting zone. Guarantee: once all transitions are in, the intervals are the same
// whatever their order of arrival, and none is said twice.
package agenttime
