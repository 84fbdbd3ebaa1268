//! From any rate to 8 or 16 kHz, for whole files: a polyphase filter for any ratio of whole numbers.

use std::f64::consts::PI;

/// Zero crossings of the sinc to each side, in samples of the lower rate.
const LOBES: usize = 16;

/// The same sound at another rate.
pub(super) fn to_rate(pcm: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to {
        return pcm.to_vec();
    }
    let divisor = gcd(from, to);
    let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
    // A low-pass below half of the lower rate, at `up` times the rate of the source.
    let wide = (f64::from(from) / f64::from(to)).max(1.0);
    let half = (LOBES as f64 * wide).ceil() as usize;
    let cutoff = 0.94 / wide;
    let phases: Vec<Box<[f32]>> = (0..up).map(|phase| taps(phase as f64 / up as f64, half, cutoff)).collect();
    let len = (pcm.len() as u64 * u64::from(to) / u64::from(from)) as usize;
    let sample = |i: usize| {
        let (at, phase) = (i * down / up, i * down % up);
        let mut sum = 0.0f32;
        for (k, tap) in phases[phase].iter().enumerate() {
            // Tap `k` belongs to the source's sample `at + k + 1 - half`.
            let source = (at + k + 1).checked_sub(half).and_then(|n| pcm.get(n));
            sum += source.map_or(0.0, |s| f32::from(*s)) * tap;
        }
        sum.round() as i16
    };
    (0..len).map(sample).collect()
}

/// The filter's taps for outputs that lie `shift` of a sample behind a sample of the source, with a gain of one.
fn taps(shift: f64, half: usize, cutoff: f64) -> Box<[f32]> {
    let shape = |k: usize| {
        let t = k as f64 + 1.0 - half as f64 - shift;
        let sinc = if t == 0.0 { cutoff } else { (PI * cutoff * t).sin() / (PI * t) };
        let window = 0.5 + 0.5 * (PI * (t / half as f64).clamp(-1.0, 1.0)).cos();
        sinc * window
    };
    let taps: Vec<f64> = (0..half * 2).map(shape).collect();
    let gain: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / gain) as f32).collect()
}

/// Cut to whole frames: what is too much is left out near the end, from one voice into the other, so that the end, and what
/// is joined to it, stays as it was.
pub(super) fn to_frames(mut pcm: Vec<i16>, frame: usize) -> Vec<i16> {
    let surplus = pcm.len() % frame;
    if pcm.len() < frame * 3 {
        pcm.resize(pcm.len().next_multiple_of(frame), 0);
        return pcm;
    }
    let len = pcm.len() - surplus;
    for i in 0..frame {
        let (at, share) = (len - frame + i, i as i32 + 1);
        let (here, there) = (i32::from(pcm[at]), i32::from(pcm[at + surplus]));
        pcm[at] = ((here * (frame as i32 - share) + there * share) / frame as i32) as i16;
    }
    pcm.truncate(len);
    pcm
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
