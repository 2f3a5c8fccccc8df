// Package bwe estimates what the network to one receiver carries, from its transport-wide feedback: by the
// delay, after Google Congestion Control (draft-ietf-rmcat-gcc-02, and libwebrtc M150's goog_cc), by the
// loss, and by probes. No code is taken from there. Signal's googcc.rs was read as well.
//
// It has no goroutine, clock, socket or log: time is an argument in ns. An Estimator is one flat value of
// 2 KB, and no method allocates. It is not safe for concurrent use.
//
//	estimator.go  Estimator, Estimate, Event: what the parts make together
//	report.go     what a report changes: by delay, by loss, by probes
//	trend.go      groups of packets, and whether their delay grows
//	queue.go      how long the queue is, and whether delays only jump about
//	order.go      whether packets overtake each other, and by how much
//	acked.go      the rate that arrives
//	capacity.go   growth and decrease by the delay
//	limited.go    whether the application sends less than it might
//	loss.go       the model of loss: what was lost at which rate
//	lossbound.go  the bound that follows from it
//	random.go     the step test: does loss depend on the rate?
//	fall.go       the same without a step, if what is sent falls by itself
//	ceiling.go    the bound if loss depends on the rate
//	probe         when to probe, and what a probe has shown
//
// # How to use it
//
// Call Sent for every packet, and Probe before a cluster is sent. For each report call Begin, then Packet for
// each first arrival and Lost for each loss, then End. If a packet had been booked as lost and arrives, call
// Found before Packet. Order stands beside the Estimator: it takes what Packet returns, and has its own Turn.
// Call Tick every 100 ms. Sizes are as the link sees them. Congested asks for less to be sent at once: Budget
// says how much. Freeze stops growth while the node itself is late.
//
// # Where it differs, and why
//
// Each was found in simulations of this package's tests.
//
//   - Overuse lowers the capacity to 0.95 of what arrives, not 0.85. The queue is emptied by Budget, which is
//     the lower the longer the queue is, down to a fifth of the capacity. A step from 2 Mbit/s to 300 kbit/s
//     leaves more than a second of queue.
//   - Overuse is believed only with a queue: the least delay of a report above that of ten seconds. A queue
//     above 50 ms that does not shrink is overuse without a trend. So is one of 20 ms that grew by 10 ms with
//     each of two reports while delays were steady: pictures are too few packets for a trend. While a queue
//     stands, the rate of arrival is taken of the last reports. The Bayesian filter takes a second to follow
//     a step, and the capacity would fall as slowly. One decrease leaves 0.4 of the capacity at least.
//   - Delays that jump about are told from a queue by packets that arrive at once, though sent apart: no
//     bottleneck spaces them so. What counts is bytes over time: on a link of 800 kbit/s, packets of silence
//     leave a queue less than a millisecond apart. When they were taken for jitter, the estimate leapt back
//     to what it was before. If delays jump, trend and probes say nothing, the least delay of three seconds
//     counts, and growth is 50 % a second. A decrease that turns out within 3 s to come from jumping delays
//     is taken back. Half of the link is kept at a jitter of a second between packets. A delay that wanders
//     by a second within half a second cannot be told from a queue while it rises: 6 runs of 20 stay below,
//     and 9 if packets overtake each other as well.
//   - A queue keeps the order of packets. If they overtake each other by 40 ms or more, the least delay of a
//     report counts for a queue only above what it would be by chance, for so many packets. Before that rule,
//     the estimate fell for a report now and then when delays began to jump about by 200 ms. That cost a
//     smaller picture and a keyframe.
//   - Losses are booked to the quarter of a second in which the packets were sent, and late arrivals are
//     taken back there.
//   - If more than 4 % of a second is lost without a queue, a step finds out whether the loss depends on the
//     rate. It lasts 600 ms at least. Less is sent, by as much as would end a policer's loss. If StepUp was
//     called, 0.4 more is sent instead, or 1.0 more from a loss of 30 % on. Such a step begins once the
//     loss has been steady for a second, or after a second in which it was not.
//   - If the share stays, the loss is random: it bounds nothing, growth is by probes only, and what arrives
//     counts as if nothing had been lost. Else a ceiling takes the place of libwebrtc's model. That model
//     takes 15 % for inherent at 1 Mbit/s; as built here it lost 5 to 11 % at a policer. The ceiling is what
//     arrived, before or while more was sent, with the share added that is lost below it all the same. It is
//     held for 10 s, twice as long with each loss up to 30 s, and then rises. A probe may raise it then as
//     well, to 1.3 times as much, and once more 3 s later: what one probe has shown is to be used first.
//     Trusted, which is what others are told, is then no more than half as much again as arrives, or the rate
//     of the last loss if that is more.
//   - What is sent may fall to 0.6 or less by itself. If loss is random, the same share is lost then; if it
//     depends on the rate, much less. That is as good as a step. It is the only answer if more than three
//     quarters are lost, or if feedback tells little of a step.
//   - A probe does not raise the estimate while loss bounds it: a few packets slip through a policer. Else
//     what was lost at lower rates before bounds nothing. The rate of a probe includes what was sent between
//     its packets. A probe that met the limit lowers the capacity to its rate, by a fifth at most, also if
//     little else is sent: clusters measure a narrow link to some percent.
//   - An estimate that is enough for all that is wanted does not grow, see Freeze. Else it crept up to 1.5
//     times what was sent, whatever the link.
//   - While loss bounds the rate, Budget is the whole of it: less would be taken for what arrives, and the
//     bound would follow down.
//   - On slow links the bounds of the queue are at least the time of a packet.
//   - A queue that does not get shorter within 4 s of draining is taken for others', so that beside them the
//     rate is not given away.
package bwe
