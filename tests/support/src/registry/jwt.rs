//! Signed tokens, for a registry that knows the signer's authority and asks nobody.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::account::Permission;
use super::token::Issuer;
use crate::tls::Authority;

/// Signs with a key whose certificate goes into each token (`x5c`).
pub(super) struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl Signer {
    pub(super) const ISSUER: &'static str = "testkit-issuer";

    pub(super) fn new(authority: &Authority) -> Self {
        let identity = authority.server_identity();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, identity.key_der().secret_der())
            .expect("rcgen makes P-256 keys");
        Self { key, certificate: STANDARD.encode(identity.certificate_der()) }
    }

    /// A JSON web token for these permissions.
    pub(super) fn token(
        &self,
        number: u64,
        subject: &str,
        ttl: Duration,
        permissions: &[Permission],
    ) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": Signer::ISSUER,
            "sub": subject,
            "aud": Issuer::SERVICE,
            "exp": now + ttl.as_secs(),
            "nbf": now - 1,
            "iat": now,
            "jti": number.to_string(),
            "access": access(permissions),
        });
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature =
            self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("the key can sign anything");
        format!("{signed}.{}", encoded(signature))
    }
}

fn access(permissions: &[Permission]) -> Value {
    let entry = |(resource, actions): (&str, Vec<&str>)| {
        let (kind, name) = resource.split_once(':').unwrap_or((resource, ""));
        json!({ "type": kind, "name": name, "actions": actions })
    };
    Permission::grouped(permissions).into_iter().map(entry).collect()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
