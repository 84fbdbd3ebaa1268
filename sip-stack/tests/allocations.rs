//! Reading a usual message allocates nothing: the index lies in the message, the views share its bytes.
#![allow(unsafe_code, clippy::unwrap_used, reason = "counting allocations takes an allocator; a test may stop")]

use bytes::Bytes;
use patchbay_sip_stack::message::{Message, Name};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_usual_message_is_read_without_allocation() {
    let text = b"INVITE sip:7001@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5066;branch=z9hG4bK7;rport\r\nMax-Forwards: 70\r\n\
        Contact: \"\xd5\xc5\" <sip:7002@198.51.100.20:5066>\r\nTo: <sip:7001@pbx.example>\r\nFrom: \"Desk\" <sip:7002@pbx.example>;tag=7c\r\n\
        Call-ID: 98723@198.51.100.20\r\nCSeq: 2 INVITE\r\nAllow: INVITE, ACK\r\nUser-Agent: x\r\nContent-Length: 0\r\n\r\n";
    let bytes = Bytes::from_static(text);
    assert_eq!(
        allocations(|| {
            let message = Message::parse_datagram(bytes.clone()).unwrap();
            let from = message.from().unwrap();
            assert_eq!(from.uri.user(), Some(&b"7002"[..]));
            assert!(message.via().unwrap().transaction_branch().is_some());
            assert!(
                message.to().is_ok() && message.cseq().is_ok() && message.contact().is_ok() && message.uri().is_ok()
            );
            assert_eq!(message.values(Name::Allow).count(), 2);
        }),
        0
    );
    // The counter counts.
    assert_eq!(allocations(|| drop(vec![1u8])), 1);
}
