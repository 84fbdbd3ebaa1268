//! What happens in one call; knows no SIP, SDP or RTP.
