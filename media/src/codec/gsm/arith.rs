//! The arithmetic of GSM 06.10: 16-bit words that saturate, products rounded or cut to 15 bits (§5.1).

pub(super) fn add(a: i16, b: i16) -> i16 {
    a.saturating_add(b)
}

pub(super) fn sub(a: i16, b: i16) -> i16 {
    a.saturating_sub(b)
}

/// `mult`: the product of two fractions, cut.
pub(super) fn mult(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b)) >> 15)
}

/// `mult_r`: the product of two fractions, rounded.
pub(super) fn mult_r(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b) + 16_384) >> 15)
}

pub(super) fn abs(a: i16) -> i16 {
    a.saturating_abs()
}

pub(super) fn saturate(a: i32) -> i16 {
    a.clamp(-32_768, 32_767) as i16
}

/// `norm`: by how much a number that is not 0 can be shifted to the left without overflow.
pub(super) fn norm(a: i32) -> u32 {
    (if a < 0 { !a } else { a }).leading_zeros().saturating_sub(1)
}

/// `div`: the quotient of two fractions, `0 <= num <= denum`, bit by bit.
pub(super) fn div(num: i16, denum: i16) -> i16 {
    let (mut num, denum) = (i32::from(num), i32::from(denum));
    let mut quotient = 0;
    for _ in 0..15 {
        quotient <<= 1;
        num <<= 1;
        if num >= denum {
            num -= denum;
            quotient += 1;
        }
    }
    quotient
}

/// The largest magnitude among these.
pub(super) fn peak(samples: &[i16]) -> i16 {
    samples.iter().map(|s| abs(*s)).max().unwrap_or(0)
}
