// Package complaint watches each campaign for a spike of complaints (THR-04): it counts complaints at their first
// opening over a rolling day and asks how likely so many would be if the campaign went on as before (an exact Poisson
// tail, which suits small counts). One alert a state change; a firing campaign is throttled or stopped as configured.
//
// The baseline is the campaign's own rate per connected call over the week before the day, drawn towards a default rate
// while there is little history. Hysteresis: firing begins below Alpha and ends above Calm, so one count does not flap.
package complaint
