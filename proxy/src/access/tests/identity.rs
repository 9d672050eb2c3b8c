use rcgen::{CertificateParams, DnType, DnValue, KeyPair};
use rustls_pki_types::CertificateDer;

use super::super::Identity;

fn certificate(names: Vec<(DnType, DnValue)>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind, value);
    }
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("a certificate").der().clone()
}

fn read(names: Vec<(DnType, DnValue)>) -> Option<(String, Vec<String>)> {
    let identity = Identity::read(&certificate(names))?;
    Some((identity.user.to_string(), identity.groups.iter().map(ToString::to_string).collect()))
}

fn named(text: &str) -> (DnType, DnValue) {
    (DnType::CommonName, DnValue::Utf8String(text.into()))
}

fn of(text: &str) -> (DnType, DnValue) {
    (DnType::OrganizationName, DnValue::Utf8String(text.into()))
}

#[test]
fn the_common_name_is_the_user_and_the_organisation_a_group() {
    let found = |user: &str, groups: &[&str]| Some((user.to_owned(), super::texts(groups)));
    assert_eq!(read(vec![named("ann")]), found("ann", &[]));
    assert_eq!(read(vec![of("team"), named("ann")]), found("ann", &["team"]));
    assert_eq!(
        read(vec![named("system:node:n\u{f6}1"), of("system:nodes")]),
        found("system:node:n\u{f6}1", &["system:nodes"])
    );
    let printable = DnValue::PrintableString("Ann B".try_into().expect("a printable text"));
    assert_eq!(read(vec![(DnType::CommonName, printable)]), found("Ann B", &[]));
}

#[test]
fn odd_names_are_no_identity() {
    for names in [
        vec![],
        vec![of("team")],
        vec![named("")],
        vec![named(" ann")],
        vec![named("ann\n")],
        vec![named("ann\0.example")],
        vec![named(&"n".repeat(256))],
        vec![named("ann"), of("")],
        vec![named("ann"), of("te\u{7f}am")],
        vec![named("ann"), of(&"n".repeat(256))],
    ] {
        assert_eq!(read(names.clone()), None, "{names:?}");
    }
    assert!(read(vec![named(&"n".repeat(255)), of(&"g".repeat(255))]).is_some());
}

/// The library that makes certificates knows one value of each kind, so names are turned into others afterwards:
/// the signature no longer fits, which is not looked at here.
fn with_kinds(names: &[(u8, &str)]) -> Option<Identity> {
    let sizes = |at: usize| DnType::CustomDnType(vec![2, 5, 4, 60 + at as u64]);
    let placeholders =
        names.iter().enumerate().map(|(at, (_, text))| (sizes(at), DnValue::Utf8String((*text).into())));
    let mut bytes = certificate(placeholders.collect()).to_vec();
    for (at, (kind, _)) in names.iter().enumerate() {
        // Issuer and subject are the same: both are turned.
        let oid = [6, 3, 0x55, 4, 60 + u8::try_from(at).expect("few names")];
        for place in
            (0..bytes.len() - oid.len()).filter(|place| bytes[*place..].starts_with(&oid)).collect::<Vec<_>>()
        {
            bytes[place + 4] = *kind;
        }
    }
    Identity::read(&bytes.into())
}

#[test]
fn several_groups_are_read_and_several_users_refused() {
    const USER: u8 = 3;
    const GROUP: u8 = 10;
    let identity = with_kinds(&[(GROUP, "x"), (USER, "ann"), (GROUP, "y")]).expect("an identity");
    assert_eq!((&*identity.user, &*identity.groups[0], &*identity.groups[1]), ("ann", "x", "y"));
    assert_eq!(with_kinds(&[(USER, "ann"), (USER, "ben")]), None);
    let groups: Vec<(u8, String)> = (0..65).map(|number| (GROUP, format!("g{number}"))).collect();
    let mut names: Vec<(u8, &str)> = groups.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    names[64] = (USER, "ann");
    assert_eq!(with_kinds(&names).map(|identity| identity.groups.len()), Some(64));
    names.push((GROUP, "one more"));
    assert_eq!(with_kinds(&names), None);
}

#[test]
fn damaged_certificates_are_no_identity() {
    let whole = certificate(vec![named("ann")]);
    for length in 0..whole.len() {
        assert_eq!(Identity::read(&CertificateDer::from(&whole[..length])), None);
    }
    let longer: Vec<u8> = whole.iter().copied().chain([0]).collect();
    assert_eq!(Identity::read(&longer.into()), None);
}
