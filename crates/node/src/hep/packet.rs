//! One HEPv3 packet: `HEP3`, the length of it all, and chunks of vendor, type, length and value (HEP3 specification, revision 36).

use cell::Passed;
use sip_stack::endpoint::Transport;
use std::net::IpAddr;

/// The longest message that fits: a UDP packet less its own headers and the other chunks.
const LONGEST: usize = 65_000;

/// Writes the packet of a message.
pub fn encode(passed: &Passed, id: u32, password: Option<&str>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"HEP3\0\0");
    let (local, remote) = (passed.flow.local, passed.flow.remote);
    let (from, to) = if passed.sent { (local, remote) } else { (remote, local) };
    let protocol = if passed.flow.transport == Transport::Udp { 17 } else { 6 };
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            chunk(out, 0x01, &[2]);
            chunk(out, 0x02, &[protocol]);
            chunk(out, 0x03, &from.octets());
            chunk(out, 0x04, &to.octets());
        }
        (from, to) => {
            let v6 = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            chunk(out, 0x01, &[10]);
            chunk(out, 0x02, &[protocol]);
            chunk(out, 0x05, &v6(from));
            chunk(out, 0x06, &v6(to));
        }
    }
    chunk(out, 0x07, &from.port().to_be_bytes());
    chunk(out, 0x08, &to.port().to_be_bytes());
    chunk(out, 0x09, &((passed.at / 1000) as u32).to_be_bytes());
    chunk(out, 0x0a, &((passed.at % 1000 * 1000) as u32).to_be_bytes());
    // SIP.
    chunk(out, 0x0b, &[1]);
    chunk(out, 0x0c, &id.to_be_bytes());
    if let Some(password) = password {
        chunk(out, 0x0e, password.as_bytes());
    }
    if let Some(call_id) = call_id(&passed.data) {
        chunk(out, 0x11, call_id);
    }
    chunk(out, 0x0f, &passed.data[..passed.data.len().min(LONGEST)]);
    let length = (out.len() as u16).to_be_bytes();
    out[4..6].copy_from_slice(&length);
}

fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(LONGEST)];
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16 + 6).to_be_bytes());
    out.extend_from_slice(value);
}

/// What correlates the messages of a call.
fn call_id(message: &[u8]) -> Option<&[u8]> {
    let lines = message.split(|b| *b == b'\n').skip(1).map(<[u8]>::trim_ascii).take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| {
            let colon = line.iter().position(|b| *b == b':')?;
            let name = line[..colon].trim_ascii();
            let fits = name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
            fits.then(|| line[colon + 1..].trim_ascii())
        })
        .find(|id| id.len() <= 256)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use sip_stack::endpoint::Flow;
    use std::collections::BTreeMap;

    /// The chunks of a packet, by type.
    pub(in crate::hep) fn decode(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let short = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!((&packet[..4], usize::from(short(4))), (&b"HEP3"[..], packet.len()));
        let mut chunks = BTreeMap::new();
        let mut at = 6;
        while at < packet.len() {
            let (vendor, kind, len) = (short(at), short(at + 2), usize::from(short(at + 4)));
            assert!(vendor == 0 && len >= 6 && at + len <= packet.len());
            assert!(chunks.insert(kind, packet[at + 6..at + len].to_vec()).is_none(), "chunk {kind} twice");
            at += len;
        }
        chunks
    }

    #[test]
    fn what_is_written_can_be_read() {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5062".parse().unwrap());
        let data = "INVITE sip:1@x SIP/2.0\r\ni : abc@h \r\n\r\nCall-ID: no";
        let mut packet = Vec::new();
        encode(&Passed { at: 1_795_219_200_123, sent: true, flow, data: data.into() }, 9, Some("secret"), &mut packet);
        let chunks = decode(&packet);
        let expected: [(u16, &[u8]); 13] = [
            (1, &[2]),
            (2, &[17]),
            (3, &[192, 0, 2, 1]),
            (4, &[198, 51, 100, 7]),
            (7, &5060u16.to_be_bytes()),
            (8, &5062u16.to_be_bytes()),
            (9, &1_795_219_200u32.to_be_bytes()),
            (10, &123_000u32.to_be_bytes()),
            (11, &[1]),
            (12, &9u32.to_be_bytes()),
            (14, b"secret"),
            (15, data.as_bytes()),
            (17, b"abc@h"),
        ];
        assert_eq!(chunks, expected.into_iter().map(|(kind, value)| (kind, value.to_vec())).collect());
    }

    #[test]
    fn streams_and_ipv6_and_the_longest_message() {
        let flow = Flow {
            transport: Transport::Tls,
            local: "[2001:db8::1]:5061".parse().unwrap(),
            remote: "[2001:db8::2]:40000".parse().unwrap(),
        };
        let mut packet = Vec::new();
        encode(&Passed { at: 0, sent: false, flow, data: vec![b'x'; 70_000].into() }, 1, None, &mut packet);
        let chunks = decode(&packet);
        assert_eq!((&chunks[&1][..], &chunks[&2][..], chunks[&5][15], chunks[&6][15]), (&[10u8][..], &[6u8][..], 2, 1));
        assert_eq!(chunks[&15].len(), LONGEST);
    }
}
