//! Tokens that are good as SIP passwords: what a page shows that must not know its extension's own.
//!
//! A digest cannot be checked without the secret, so the secrets of tokens are told to the switch when they are issued. Every cell knows them;
//! the home of the extension keeps them for the next process. They are read with the extension's own at each challenge.

use crate::cell::Cell;
use crate::hot;
use crate::io::Output;
use model::{Ha1, Refusal, Reply};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::UnixMillis;
use tracing::info;

/// Tokens of one extension; one more takes the place of the oldest.
const MAX_TOKENS: usize = 8;

/// One token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Token {
    user: i64,
    ha1: Ha1,
    until: UnixMillis,
}

/// Those of all extensions.
#[derive(Debug, Default)]
pub(crate) struct Tokens(BTreeMap<String, Vec<Token>>);

impl Tokens {
    /// Those of an extension that count now.
    pub(crate) fn of(&self, extension: &str, now: UnixMillis) -> impl Iterator<Item = &Ha1> {
        let all = self.0.get(extension).into_iter().flatten();
        all.filter(move |token| token.until > now).map(|token| &token.ha1)
    }

    /// Takes one; what had to go for it is returned.
    fn put(&mut self, extension: &str, token: Token, now: UnixMillis) -> Vec<Token> {
        let all = self.0.entry(extension.to_owned()).or_default();
        let mut gone: Vec<Token> = all.extract_if(.., |known| known.until <= now || known.ha1 == token.ha1).collect();
        let oldest = all.iter().enumerate().min_by_key(|(_, known)| known.until).map(|(at, _)| at);
        if let Some(at) = oldest.filter(|_| all.len() >= MAX_TOKENS) {
            gone.push(all.remove(at));
        }
        all.push(token);
        gone
    }

    /// Forgets those of a user, or all of an extension.
    fn remove(&mut self, extension: &str, user: Option<i64>) -> Vec<Token> {
        let Some(all) = self.0.get_mut(extension) else { return Vec::new() };
        let gone = all.extract_if(.., |token| user.is_none_or(|user| token.user == user)).collect();
        if all.is_empty() {
            self.0.remove(extension);
        }
        gone
    }
}

impl Cell {
    /// A token was issued.
    pub(crate) fn know_token(
        &mut self,
        extension: &str,
        (user, ha1): (i64, Ha1),
        until: UnixMillis,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        if self.directory.extension(extension).is_none() {
            return Err(Refusal::NoSuchExtension);
        }
        let token = Token { user, ha1, until };
        let value = postcard::to_allocvec(&token).unwrap_or_default();
        let key = hot::token(extension, &token.ha1);
        let gone = self.tokens.put(extension, token, self.config.wall.at(now));
        self.forget_kept(extension, &gone);
        if self.home_of(extension) == self.config.cell {
            self.out.push_back(Output::Keep { key, value });
        }
        Ok(Reply::Done)
    }

    /// Tokens of a user, or all of an extension, count no more. Who has registered by one stays so until it has to prove itself again.
    pub(crate) fn forget_tokens(&mut self, extension: &str, user: Option<i64>) {
        let gone = self.tokens.remove(extension, user);
        if !gone.is_empty() {
            info!(count = gone.len(), "tokens count no more");
        }
        self.forget_kept(extension, &gone);
    }

    fn forget_kept(&mut self, extension: &str, gone: &[Token]) {
        if self.home_of(extension) == self.config.cell {
            let keys = gone.iter().map(|token| Output::Forget { key: hot::token(extension, &token.ha1) });
            self.out.extend(keys);
        }
    }

    /// One that the last process knew.
    pub(crate) fn restore_token(&mut self, extension: &str, key: &[u8], value: &[u8], now: Instant) {
        let now = self.config.wall.at(now);
        let token = postcard::from_bytes::<Token>(value).ok();
        match token.filter(|token| token.until > now) {
            Some(token) => {
                let gone = self.tokens.put(extension, token, now);
                self.forget_kept(extension, &gone);
            }
            None if self.home_of(extension) == self.config.cell => {
                self.out.push_back(Output::Forget { key: key.to_vec() });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(user: i64, mark: u8, until: UnixMillis) -> Token {
        Token { user, ha1: Ha1 { md5: [mark; 16], sha256: [mark; 32], sha512_256: [mark; 32] }, until }
    }

    fn marks(tokens: &Tokens, now: UnixMillis) -> Vec<u8> {
        tokens.of("100", now).map(|ha1| ha1.md5[0]).collect()
    }

    #[test]
    fn tokens_count_until_they_lapse_and_a_few_of_each_extension() {
        let mut tokens = Tokens::default();
        for mark in 0..MAX_TOKENS as u8 {
            assert!(tokens.put("100", token(1, mark, 1_000 + u64::from(mark)), 0).is_empty());
        }
        assert_eq!(tokens.put("100", token(2, 99, 5_000), 0), [token(1, 0, 1_000)], "the oldest makes room");
        assert_eq!(marks(&tokens, 1_006), [7, 99]);
        assert_eq!(tokens.put("100", token(2, 98, 5_000), 1_006).len(), 6, "what has lapsed is not kept");
        assert_eq!(tokens.put("100", token(2, 98, 6_000), 1_006).len(), 1, "the same again is one");
        assert_eq!(tokens.remove("100", Some(1)).len(), 1);
        assert_eq!((marks(&tokens, 1_006), tokens.of("101", 0).count()), (vec![99, 98], 0));
        assert_eq!((tokens.remove("100", None).len(), tokens.0.len()), (2, 0));
    }
}
