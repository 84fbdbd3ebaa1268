//! What waits to be read: a queue for each class, each with a bound.

use crate::screen::Class;
use bytes::Bytes;
use sip_stack::endpoint::Flow;
use std::collections::VecDeque;
use std::time::Instant;

/// Room per class, in the order of [`Class::ALL`]. What finds no room is dropped and counted: the network repeats what matters.
/// Strangers have the least, so that a flood costs the least memory and never more than a few milliseconds of delay.
const ROOM: [usize; 4] = [8192, 8192, 2048, 512];

#[derive(Debug)]
struct Waiting {
    flow: Flow,
    data: Bytes,
    since: Instant,
}

/// The queues.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    queues: [VecDeque<Waiting>; 4],
    waiting: usize,
    /// Dropped for want of room, by class.
    pub(crate) dropped: [u64; 4],
}

impl Intake {
    /// Takes what has passed the screen; false if there is no room.
    pub(crate) fn push(&mut self, class: Class, flow: Flow, data: Bytes, now: Instant) -> bool {
        let index = class as usize;
        if self.queues[index].len() >= ROOM[index] {
            self.dropped[index] += 1;
            return false;
        }
        self.queues[index].push_back(Waiting { flow, data, since: now });
        self.waiting += 1;
        true
    }

    /// What is read next, and since when it has waited.
    pub(crate) fn pop(&mut self) -> Option<(Class, Flow, Bytes, Instant)> {
        let mut queues = Class::ALL.into_iter().zip(&mut self.queues);
        let (class, Waiting { flow, data, since }) =
            queues.find_map(|(class, queue)| Some((class, queue.pop_front()?)))?;
        self.waiting -= 1;
        Some((class, flow, data, since))
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_their_order_and_their_bounds() {
        let mut intake = Intake::default();
        let now = stdx::testing::start();
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        for n in 0..3u8 {
            for class in Class::ALL.into_iter().rev() {
                assert!(intake.push(class, flow, vec![class as u8, n].into(), now));
            }
        }
        assert_eq!(intake.len(), 12);
        let read: Vec<_> = std::iter::from_fn(|| intake.pop()).map(|(_, _, data, _)| (data[0], data[1])).collect();
        assert!(read.is_sorted() && read.len() == 12 && intake.len() == 0);
        let taken = (0..10_000).filter(|_| intake.push(Class::Stranger, flow, Bytes::new(), now)).count();
        assert_eq!((taken, intake.dropped), (512, [0, 0, 0, 10_000 - 512]));
        assert!(intake.push(Class::Established, flow, Bytes::new(), now), "others have room of their own");
    }
}
