//! Typed views of the headers everybody needs, read when asked for.

use super::scan::{number, trim};
use super::{Credentials, HeaderError, Message, Method, Name, NameAddr, Uri, UriError, Via};
use bytes::Bytes;

impl Message {
    /// The one value of a header that may occur once; `None` if there is none.
    pub(super) fn single(&self, name: Name) -> Result<Option<&[u8]>, HeaderError> {
        let mut lines = self.headers(name);
        let first = lines.next();
        match lines.next() {
            Some(_) => Err(HeaderError::Repeated(name)),
            None => Ok(first),
        }
    }

    pub(super) fn required(&self, name: Name) -> Result<&[u8], HeaderError> {
        self.single(name)?.ok_or(HeaderError::Missing(name))
    }

    pub(super) fn optional_number(&self, name: Name) -> Result<Option<u32>, HeaderError> {
        self.single(name)?.map(|value| number(value).ok_or(HeaderError::Malformed(name))).transpose()
    }

    fn one_addr(&self, name: Name) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(&self.share(self.required(name)?)).ok_or(HeaderError::Malformed(name))
    }

    /// The Request-URI, read; of a response an error.
    pub fn uri(&self) -> Result<Uri, UriError> {
        Uri::parse(self.share(self.request_uri()))
    }

    /// The topmost Via: who sent this request, or which of our requests this answers.
    pub fn via(&self) -> Result<Via, HeaderError> {
        let value = self.values(Name::Via).next().ok_or(HeaderError::Missing(Name::Via))?;
        Via::parse(&self.share(value)).ok_or(HeaderError::Malformed(Name::Via))
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via, HeaderError>> {
        self.values(Name::Via).map(|value| Via::parse(&self.share(value)).ok_or(HeaderError::Malformed(Name::Via)))
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.one_addr(Name::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.one_addr(Name::To)
    }

    /// Call-ID, any text without blanks.
    pub fn call_id(&self) -> Result<&[u8], HeaderError> {
        let id = self.required(Name::CallId)?;
        let fine = !id.is_empty() && !id.iter().any(u8::is_ascii_whitespace);
        fine.then_some(id).ok_or(HeaderError::Malformed(Name::CallId))
    }

    /// Number (up to 2³²−1) and method of CSeq.
    pub fn cseq(&self) -> Result<(u32, Method), HeaderError> {
        let value = self.required(Name::CSeq)?;
        let malformed = HeaderError::Malformed(Name::CSeq);
        let digits = value.iter().position(u8::is_ascii_whitespace).ok_or(malformed)?;
        let method = trim(&value[digits..]);
        match number(&value[..digits]) {
            Some(seq) if super::scan::is_token(method) => {
                Ok((seq, Method::known(method).unwrap_or_else(|| Method::Other(self.share(method)))))
            }
            _ => Err(malformed),
        }
    }

    /// Max-Forwards, 0 to 255. RFC 4475 §3.1.2.4 lets a malformed one count as absent.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let malformed = HeaderError::Malformed(Name::MaxForwards);
        self.optional_number(Name::MaxForwards)?.map(|n| u8::try_from(n).map_err(|_| malformed)).transpose()
    }

    /// Expires in seconds. A malformed one counts as the default of its method (RFC 3261 §20.19).
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_number(Name::Expires)
    }

    /// Min-Expires in seconds, of a 423.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_number(Name::MinExpires)
    }

    /// Retry-After in seconds, without its comment and parameters.
    pub fn retry_after(&self) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.single(Name::RetryAfter)? else { return Ok(None) };
        let digits = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
        number(&value[..digits]).map(Some).ok_or(HeaderError::Malformed(Name::RetryAfter))
    }

    /// Content-Length as declared; the parser has already seen to it that it fits the body.
    pub fn content_length(&self) -> Option<u32> {
        self.header(Name::ContentLength).and_then(number)
    }

    /// Media type and subtype of the body, without parameters; compare without case. None without the header.
    pub fn content_type(&self) -> Option<&[u8]> {
        let value = self.header(Name::ContentType)?;
        Some(trim(value.split(|&b| b == b';').next().unwrap_or_default()))
    }

    /// The Contacts that are addresses; [`is_wildcard`](Self::is_wildcard) tells of `*`, which is malformed here.
    pub fn contacts(&self) -> impl Iterator<Item = Result<NameAddr, HeaderError>> {
        self.addrs(Name::Contact)
    }

    /// The one Contact that INVITE and other target refreshes carry; the first if there are more.
    pub fn contact(&self) -> Result<NameAddr, HeaderError> {
        self.contacts().next().ok_or(HeaderError::Missing(Name::Contact))?
    }

    /// Whether the only Contact is `*` (RFC 3261 §10.2.2).
    pub fn is_wildcard(&self) -> bool {
        let mut values = self.values(Name::Contact);
        values.next() == Some(b"*") && values.next().is_none()
    }

    /// All addresses of a list header: Contact, Route, Record-Route, Path, P-Asserted-Identity …
    pub fn addrs(&self, name: Name) -> impl Iterator<Item = Result<NameAddr, HeaderError>> {
        self.values(name).map(move |value| NameAddr::parse(&self.share(value)).ok_or(HeaderError::Malformed(name)))
    }

    /// The address of a header with one value: Refer-To, Referred-By …
    pub fn addr(&self, name: Name) -> Result<NameAddr, HeaderError> {
        self.one_addr(name)
    }

    /// All credentials of Authorization, each line one; schemes we do not know included (RFC 4475 §3.3.7).
    pub fn authorization(&self) -> impl Iterator<Item = Result<Credentials, HeaderError>> {
        self.credentials(Name::Authorization)
    }

    /// The lines of Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate.
    pub fn credentials(&self, name: Name) -> impl Iterator<Item = Result<Credentials, HeaderError>> {
        self.headers(name).map(move |value| Credentials::parse(&self.share(value)).ok_or(HeaderError::Malformed(name)))
    }

    /// Seconds since 1970 of the Date header. RFC 3261 §20.17 knows no other zone than GMT (RFC 4475 §3.1.2.12).
    pub fn date(&self) -> Result<Option<u64>, HeaderError> {
        let Some(value) = self.single(Name::Date)? else { return Ok(None) };
        date(value).map(Some).ok_or(HeaderError::Malformed(Name::Date))
    }

    /// The Call-ID, sharing the message's bytes.
    pub fn call_id_bytes(&self) -> Result<Bytes, HeaderError> {
        self.call_id().map(|id| self.share(id))
    }
}

/// `Fri, 01 Jan 2010 16:00:00 GMT` as seconds since 1970.
fn date(value: &[u8]) -> Option<u64> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?.strip_suffix(',')?;
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.chunks(3).position(|name| name == month.as_bytes())? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':');
    let mut unit = |limit: u64| clock.next()?.parse::<u64>().ok().filter(|&n| n < limit);
    let (hour, minute, second) = (unit(24)?, unit(60)?, unit(61)?);
    let fine = weekday.len() == 3 && words.next()? == "GMT" && words.next().is_none() && clock.next().is_none();
    if !fine || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 with years that begin in March, so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468).map(|days| days * 86400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_gmt() {
        assert_eq!(date(b"Fri, 01 Jan 2010 16:00:00 GMT"), Some(1_262_361_600));
        assert_eq!(date(b"Sat, 13 Nov 2010 23:29:00 GMT"), Some(1_289_690_940));
        assert_eq!(date(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date(b"Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for bad in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 01 Jan 2010 16:00 GMT",
            "01 Jan 2010 16:00:00 GMT",
            "",
            "Fri, 0 Jan 2010 16:00:00 GMT",
        ] {
            assert_eq!(date(bad.as_bytes()), None, "{bad}");
        }
    }
}
