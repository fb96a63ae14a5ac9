//! The digest login (RFC 7616, RFC 2617) of `--rpc-login`.
//!
//! Challenges are stateless: a nonce is authenticated and has its time of issue. Only nonces of
//! successful logins are stored, with their last count. So a client without password cannot fill the
//! table, and a recorded login cannot be replayed.

mod authorization;
mod counts;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use conns_core::model::Update;
use http::Request;
use http::header::AUTHORIZATION;
use subtle::{Choice, ConstantTimeEq};

use super::digest::{joined, keyed};
use authorization::Authorization;
use counts::Counts;

const REALM: &[u8] = b"monero-rpc";

/// Lifetime of a nonce, microseconds. Clients retry by themselves after `stale=true`.
const LIFETIME_US: u64 = 300_000_000;

/// A user and the digest of the password, which is not stored.
#[derive(Clone)]
pub struct Login {
    user: Box<str>,
    /// MD5 of user, realm and password, in hexadecimal (RFC 7616 section 3.4.2).
    ha1: [u8; 32],
}

impl Login {
    /// This user with this password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        let ha1 = joined(&[user.as_bytes(), REALM, password.as_bytes()]);
        Self { user: user.into(), ha1 }
    }

    /// This user with the digest of the password: MD5 of `USER:monero-rpc:PASSWORD` in lower-case
    /// hexadecimal. `None` if it is not 32 such digits.
    #[must_use]
    pub fn of_digest(user: &str, ha1: &str) -> Option<Self> {
        let ha1: [u8; 32] = ha1.as_bytes().try_into().ok()?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        ha1.iter().all(is_digit).then(|| Self { user: user.into(), ha1 })
    }
}

/// Without the digest, which is sufficient to log in.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Whether a request is authorized.
#[derive(Debug)]
pub(super) enum Admission {
    Granted,
    /// The two challenges to send.
    Challenge([String; 2]),
}

/// Checks the digest login.
pub(super) struct DigestAuth {
    login: Login,
    secret: [u8; 16],
    /// The serial number of the next nonce.
    nonces: AtomicU64,
    counts: Mutex<Counts>,
}

/// Without the secret.
impl fmt::Debug for DigestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestAuth").field("login", &self.login).finish_non_exhaustive()
    }
}

/// The contents of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nonce {
    /// Time of issue, by the monotonic clock of the samples.
    issued_us: u64,
    serial: u64,
}

impl DigestAuth {
    pub(super) fn new(login: Login, secret: [u8; 16]) -> Self {
        Self { login, secret, nonces: AtomicU64::new(0), counts: Mutex::default() }
    }

    /// Checks the `Authorization` of a request.
    pub(super) fn admit(&self, request: &Request<Bytes>, update: &Update) -> Admission {
        let header = request.headers().get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let given = header.and_then(Authorization::parse);
        let is_right = given.as_ref().is_some_and(|given| self.is_right(given, request));
        if let Some(given) = given.filter(|_| is_right)
            && self.is_fresh(&given, update)
        {
            return Admission::Granted;
        }
        // A right response lacks only a valid nonce.
        Admission::Challenge(self.challenges(update, is_right))
    }

    /// Whether user and response are right, compared in constant time.
    fn is_right(&self, given: &Authorization, request: &Request<Bytes>) -> bool {
        let verb = request.method().as_str().as_bytes();
        let Some(expected) = self.response(given, verb) else { return false };
        let is_user: Choice = given.username.as_slice().ct_eq(self.login.user.as_bytes());
        let is_response: Choice = given.response.as_slice().ct_eq(&expected);
        bool::from(is_user & is_response) && is_target(&given.uri, request)
    }

    /// The expected response for these fields.
    fn response(&self, given: &Authorization, verb: &[u8]) -> Option<[u8; 32]> {
        let key = match given.algorithm.to_ascii_lowercase().as_slice() {
            b"" | b"md5" => self.login.ha1,
            b"md5-sess" => joined(&[&self.login.ha1, &given.nonce, &given.cnonce]),
            _ => return None,
        };
        let request = joined(&[verb, &given.uri]);
        match given.qop.to_ascii_lowercase().as_slice() {
            // RFC 2069.
            b"" => Some(joined(&[&key, &given.nonce, &request])),
            b"auth" => {
                let (count, cnonce, qop) = (&given.nc, &given.cnonce, &given.qop);
                Some(joined(&[&key, &given.nonce, count, cnonce, qop, &request]))
            }
            _ => None,
        }
    }

    /// Whether the nonce was issued here, has not expired, and its count is new.
    fn is_fresh(&self, given: &Authorization, update: &Update) -> bool {
        let Some(nonce) = self.opened(&given.nonce, update.instance) else { return false };
        let age_us = update.snapshot.at.monotonic_us.saturating_sub(nonce.issued_us);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        age_us <= LIFETIME_US && counts.take(nonce.serial, given.count())
    }

    fn challenges(&self, update: &Update, is_stale: bool) -> [String; 2] {
        let nonce = self.nonce(update);
        ["MD5", "MD5-sess"].map(|algorithm| {
            format!(
                "Digest qop=\"auth\",algorithm={algorithm},realm=\"monero-rpc\",nonce=\"{nonce}\",\
                 stale={is_stale}"
            )
        })
    }

    /// A new nonce: time, serial number, and a keyed digest of both.
    fn nonce(&self, update: &Update) -> String {
        let issued_us = update.snapshot.at.monotonic_us;
        let serial = self.nonces.fetch_add(1, Ordering::Relaxed);
        let seal = self.seal(update.instance, Nonce { issued_us, serial });
        let parts = [&issued_us.to_be_bytes(), &serial.to_be_bytes(), &seal[..]];
        STANDARD.encode(parts.concat())
    }

    fn opened(&self, text: &[u8], instance: u64) -> Option<Nonce> {
        let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
        let (numbers, seal) = bytes.split_at(16);
        let (issued, serial) = numbers.split_at(8);
        let nonce = Nonce {
            issued_us: u64::from_be_bytes(issued.try_into().ok()?),
            serial: u64::from_be_bytes(serial.try_into().ok()?),
        };
        bool::from(self.seal(instance, nonce).ct_eq(seal)).then_some(nonce)
    }

    fn seal(&self, instance: u64, nonce: Nonce) -> [u8; 16] {
        keyed(&self.secret, b"nonce", [instance, nonce.issued_us, nonce.serial])
    }
}

/// Whether a response is about this request. On the agent's own port the client's path has a prefix,
/// which the dialect does not have.
fn is_target(uri: &[u8], request: &Request<Bytes>) -> bool {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    uri.ends_with(target.as_bytes())
}
