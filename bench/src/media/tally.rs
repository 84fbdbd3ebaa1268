//! Loss, reordering, duplication and crossing of one incoming stream.

/// How many packets back a duplicate is still told from a late packet.
const MEMORY: u32 = 128;

/// What an arriving packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Later than all before.
    Next,
    /// New, but a later one came first.
    Late,
    /// Seen before.
    Duplicate,
    /// Of a stream that does not belong here.
    Crossed,
}

/// The account of one incoming stream. Whose stream it is, the first packet says.
#[derive(Debug, Default)]
pub(super) struct Tally {
    partner: Option<u32>,
    highest: u32,
    // Bit n: the packet n before the highest has arrived.
    seen: u128,
}

impl Tally {
    /// Takes a packet into account.
    pub(super) fn accept(&mut self, stream: u32, count: u32) -> Verdict {
        match self.partner {
            None => {
                self.partner = Some(stream);
                (self.highest, self.seen) = (count, 1);
                return Verdict::Next;
            }
            Some(partner) if partner != stream => return Verdict::Crossed,
            Some(_) => {}
        }
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return Verdict::Next;
        }
        let back = self.highest - count;
        if back >= MEMORY {
            return Verdict::Late;
        }
        if self.seen >> back & 1 == 1 {
            return Verdict::Duplicate;
        }
        self.seen |= 1 << back;
        Verdict::Late
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Crossed, Duplicate, Late, Next};
    use super::*;

    fn verdicts(packets: &[(u32, u32)]) -> Vec<Verdict> {
        let mut tally = Tally::default();
        packets.iter().map(|&(stream, count)| tally.accept(stream, count)).collect()
    }

    #[test]
    fn a_gap_is_loss_and_no_verdict_of_its_own() {
        assert_eq!(verdicts(&[(1, 5), (1, 6), (1, 9)]), [Next, Next, Next]);
    }

    #[test]
    fn late_and_double_packets_are_told_apart() {
        assert_eq!(
            verdicts(&[(1, 0), (1, 3), (1, 1), (1, 1), (1, 3), (1, 2)]),
            [Next, Next, Late, Duplicate, Duplicate, Late]
        );
    }

    #[test]
    fn a_packet_of_another_call_is_crossed_and_moves_nothing() {
        assert_eq!(verdicts(&[(1, 0), (2, 900), (1, 1)]), [Next, Crossed, Next]);
    }

    #[test]
    fn a_jump_beyond_the_memory_forgets() {
        assert_eq!(verdicts(&[(1, 0), (1, 128), (1, 0), (1, 1_000), (1, 999)]), [Next, Next, Late, Next, Late]);
    }
}
