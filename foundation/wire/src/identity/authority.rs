//! The cluster's own certificate authority: makes certificates for nodes, clients and operators.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use tsugi_vocabulary::{NodeName, Wall};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::{dns_name, uri};
use super::{Cluster, ClusterId, Role};

/// How long a node's certificate holds. A certificate that ends unseen stops a cluster, so it
/// is longer than a machine lives; a node that leaves is refused by the ledger, not by time.
pub const NODE_CERTIFICATE_DAYS: u64 = 3650;
/// How long the authority holds: longer than any certificate that it signs.
const AUTHORITY_DAYS: u64 = 2 * NODE_CERTIFICATE_DAYS;
/// How far back a certificate begins: clocks of the machines may be apart.
const BACKDATED_DAYS: u64 = 2;

const DAY_MS: u64 = 86_400_000;

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub from: Wall,
    /// Until.
    pub until: Wall,
}

impl Validity {
    /// What the certificate of a node gets.
    #[must_use]
    pub const fn usual(now: Wall) -> Self {
        Self::of_days(now, NODE_CERTIFICATE_DAYS)
    }

    const fn of_days(now: Wall, days: u64) -> Self {
        Self {
            from: Wall(now.0.saturating_sub(BACKDATED_DAYS * DAY_MS)),
            until: Wall(now.0.saturating_add(days * DAY_MS)),
        }
    }
}

/// A certificate with what belongs to it, as text.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key; empty when the holder made the key itself.
    pub key_pem: String,
    /// The certificate of the authority.
    pub authority_pem: String,
}

impl Issued {
    /// The authority that signed it, with its key.
    pub(crate) fn authority(&self, key_pem: &str, cluster: ClusterId) -> Result<Authority, String> {
        let certificate = CertificateDer::from_pem_slice(self.authority_pem.as_bytes());
        let certificate = certificate.map_err(|error| error.to_string())?;
        Authority::read(&certificate, key_pem, cluster)
    }
}

/// The certificate and the key that sign all others.
pub struct Authority {
    cluster: ClusterId,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority(of {})", self.cluster)
    }
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let start = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = start + Duration::from_millis(validity.from.0);
    params.not_after = start + Duration::from_millis(validity.until.0);
}

fn params_of(
    cluster: ClusterId,
    name: &NodeName,
    role: Role,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    set_validity(&mut params, validity);
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    params.distinguished_name.push(DnType::OrganizationalUnitName, role.word());
    params.subject_alt_names = vec![
        SanType::DnsName(dns_name(cluster).try_into()?),
        SanType::URI(uri(cluster, role, name).try_into()?),
    ];
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if role == Role::Node {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    Ok(params)
}

impl Authority {
    pub(super) fn found(cluster: &Cluster, now: Wall) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, Validity::of_days(now, AUTHORITY_DAYS));
        params.distinguished_name.remove(DnType::CommonName);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("tsugi {} {}", cluster.name, cluster.id));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let signed = params.self_signed(&key)?;
        Ok(Self {
            cluster: cluster.id,
            certificate: signed.der().clone(),
            certificate_pem: signed.pem(),
            key,
        })
    }

    pub(super) fn read(
        certificate: &CertificateDer<'static>,
        key_pem: &str,
        cluster: ClusterId,
    ) -> Result<Self, String> {
        let key = KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?;
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err("it is not the key of the authority's certificate".to_owned());
        }
        Ok(Self {
            cluster,
            certificate: certificate.clone(),
            certificate_pem: pem(certificate),
            key,
        })
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<rcgen::Certificate, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
        params.signed_by(key, &issuer)
    }

    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    /// What the certificate library refused.
    pub fn issue_with_key(
        &self,
        name: &NodeName,
        role: Role,
        validity: Validity,
    ) -> Result<Issued, rcgen::Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let signed = self.sign(&params_of(self.cluster, name, role, validity)?, &key)?;
        Ok(Issued {
            certificate_pem: signed.pem(),
            key_pem: key.serialize_pem(),
            authority_pem: self.certificate_pem.clone(),
        })
    }

    /// Makes a certificate for the key in a signing request. Nothing else of the request is
    /// used: the name and the role are what the authority decided.
    ///
    /// # Errors
    /// The request is malformed, or not signed with its own key.
    pub fn issue_for_request(
        &self,
        request: &[u8],
        name: &NodeName,
        role: Role,
        validity: Validity,
    ) -> Result<Issued, rcgen::Error> {
        let request = CertificateSigningRequestDer::from(request.to_vec());
        let request = CertificateSigningRequestParams::from_der(&request)?;
        let params = params_of(self.cluster, name, role, validity)?;
        let signed = self.sign(&params, &request.public_key)?;
        Ok(Issued {
            certificate_pem: signed.pem(),
            key_pem: String::new(),
            authority_pem: self.certificate_pem.clone(),
        })
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    let text = base64(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let (a, b, c) =
            (chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0));
        let bits = u32::from_be_bytes([0, a, b, c]);
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let coded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (text, coded) in texts.iter().zip(coded) {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }
}
