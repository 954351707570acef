package event

// Topic names. Every topic whose keys are shared has the same number of partitions (kafka.partitions).
const (
	TopicCustomerEvents   = "ringfence.customer-events"
	TopicPermitDecisions  = "ringfence.permit-decisions"
	TopicAgentStates      = "ringfence.agent-states"
	TopicCallFacts        = "ringfence.call-facts"
	TopicComplaintFacts   = "ringfence.complaint-facts"
	TopicAgentIntervals   = "ringfence.agent-intervals"
	TopicQATasks          = "ringfence.qa-tasks"
	TopicQACommands       = "ringfence.qa-commands"
	TopicQAEvents         = "ringfence.qa-events"
	TopicQAQueue          = "ringfence.qa-queue"
	TopicQAAnswers        = "ringfence.qa-answers"
	TopicSamplingFacts    = "ringfence.sampling-facts"
	TopicSamplingDays     = "ringfence.sampling-days"
	TopicCampaigns        = "ringfence.campaigns"
	TopicLeads            = "ringfence.leads"
	TopicSurveys          = "ringfence.surveys"
	TopicCampaignPartials = "ringfence.campaign-partials"
	TopicCampaignSignals  = "ringfence.campaign-signals"
	TopicAlerts           = "ringfence.alerts"
	TopicWatchEvents      = "ringfence.watch-events"
	TopicDirectory        = "ringfence.directory"
	TopicImports          = "ringfence.imports"
	TopicDeadLetter       = "ringfence.dead-letter"
	TopicAuditLog         = "ringfence.audit-log"
	TopicSessions         = "ringfence.sessions"
)

// Topic describes how one topic is made.
type Topic struct {
	Name      string
	Compacted bool // keeps the latest value of a key for ever; otherwise kept for ever, or as long as the operator sets
	Transient bool // answers that nobody reads again: kept for a day
}

// Topics lists every topic but the changelogs, which the stream runtime makes.
func Topics() []Topic {
	return []Topic{
		{Name: TopicCustomerEvents}, {Name: TopicPermitDecisions}, {Name: TopicAgentStates}, {Name: TopicCallFacts},
		{Name: TopicComplaintFacts}, {Name: TopicAgentIntervals}, {Name: TopicQATasks}, {Name: TopicQACommands},
		{Name: TopicQAEvents}, {Name: TopicQAQueue, Compacted: true}, {Name: TopicQAAnswers, Transient: true}, {Name: TopicSamplingFacts}, {Name: TopicSamplingDays}, {Name: TopicCampaigns}, {Name: TopicLeads}, {Name: TopicSurveys},
		{Name: TopicCampaignPartials}, {Name: TopicCampaignSignals, Compacted: true}, {Name: TopicAlerts}, {Name: TopicWatchEvents},
		{Name: TopicDirectory, Compacted: true}, {Name: TopicImports, Compacted: true}, {Name: TopicDeadLetter},
		{Name: TopicAuditLog}, {Name: TopicSessions, Compacted: true},
	}
}

// UnknownCustomerPrefix starts the customer_id of a number nobody owns yet: prefix + number hash.
const UnknownCustomerPrefix = "n:"
