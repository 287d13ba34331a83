//! Certificates and keys from files in the forms that people have: PEM, with or without a byte order mark, or DER.
//!
//! An error about a file in another form names the command that converts it, where there is one.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsConfigError;

/// Returns the certificates of a file, in order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let bytes = read(path)?;
    if is_der(&bytes) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let text = unicode(&bytes);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        // A file without a certificate is reported as such, even if the PEM in it is faulty.
        _ if !contains(&text, "BEGIN CERTIFICATE-----") => Err(unusable(path, no_certificate(path, &text))),
        Ok(_) => Err(unusable(path, no_certificate(path, &text))),
        Err(error) => Err(unusable(path, format!("it is no PEM as it should be: {error}"))),
    }
}

/// Returns the first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let bytes = read(path)?;
    let file = path.display();
    if is_der(&bytes) {
        return PrivateKeyDer::try_from(bytes).map_err(|_| {
            let why = "it is DER, but no key that can be read";
            unusable(
                path,
                format!("{why}; make it PEM with: openssl pkey -inform DER -in {file} -out key.pem"),
            )
        });
    }
    let text = unicode(&bytes);
    let has = |label: &str| contains(&text, label);
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        let why = "its key is encrypted";
        return Err(unusable(path, format!("{why}; decrypt it with: openssl pkey -in {file} -out key.pem")));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if has("BEGIN OPENSSH PRIVATE KEY") => {
            let why = "its key has the form of OpenSSH";
            unusable(path, format!("{why}; change it, in place, with: ssh-keygen -p -m PEM -f {file}"))
        }
        pem::Error::NoItemsFound if has("BEGIN CERTIFICATE") => unusable(
            path,
            "it holds a certificate and no private key, which may be in another file".to_owned(),
        ),
        pem::Error::NoItemsFound => {
            unusable(path, "it holds no private key (-----BEGIN PRIVATE KEY----- in PEM)".to_owned())
        }
        error => unusable(path, format!("it is no PEM as it should be: {error}")),
    })
}

fn no_certificate(path: &Path, text: &[u8]) -> String {
    let file = path.display();
    if contains(text, "BEGIN PKCS7") {
        return format!(
            "it holds PKCS #7; take the certificates out with: openssl pkcs7 -print_certs -in {file} -out certs.pem"
        );
    }
    if contains(text, "PRIVATE KEY-----") {
        return "it holds a private key and no certificate, which may be in another file".to_owned();
    }
    if contains(text, "BEGIN CERTIFICATE REQUEST") {
        return "it holds a request for a certificate, which an authority has to answer first".to_owned();
    }
    "it holds no certificate (-----BEGIN CERTIFICATE----- in PEM)".to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    fs::read(path).map_err(|error| unusable(path, error.to_string()))
}

/// Returns whether the bytes start as a DER SEQUENCE that takes up all of them.
fn is_der(bytes: &[u8]) -> bool {
    match *bytes {
        [0x30, len, ..] if len < 0x80 => bytes.len() == 2 + usize::from(len),
        [0x30, 0x81, len, ..] => bytes.len() == 3 + usize::from(len),
        [0x30, 0x82, high, low, ..] => bytes.len() == 4 + usize::from(u16::from_be_bytes([high, low])),
        _ => false,
    }
}

/// Returns the text as UTF-8 without a byte order mark. The Windows shell writes UTF-16.
fn unicode(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => Cow::Borrowed(text),
        [0xff, 0xfe, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => utf16(text, u16::from_be_bytes),
        text => Cow::Borrowed(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, [u8]> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

pub(super) fn unusable(path: &Path, why: String) -> TlsConfigError {
    TlsConfigError::Pem(path.display().to_string(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_file() {
        let pem = b"-----BEGIN X-----";
        let utf16: Vec<u8> = pem.iter().flat_map(|&byte| [byte, 0]).collect();
        let big: Vec<u8> = pem.iter().flat_map(|&byte| [0, byte]).collect();
        for bytes in [
            pem.to_vec(),
            [b"\xef\xbb\xbf", &pem[..]].concat(),
            [b"\xff\xfe", &utf16[..]].concat(),
            [b"\xfe\xff", &big[..]].concat(),
        ] {
            assert_eq!(&unicode(&bytes)[..], pem);
        }
        for (bytes, der) in [
            (&b"\x30\x00"[..], true),
            (b"\x30\x81\x01a", true),
            (b"\x30\x82\x00\x01a", true),
            (b"\x30\x82\x00\x02a", false),
            (b"0123", false),
            (b"", false),
            (b"\x30", false),
        ] {
            assert_eq!(is_der(bytes), der, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_certificate_or_key_is_told_with_a_remedy() {
        let folder = std::env::temp_dir().join(format!("bowsprit-tls-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file.pem");
        for (content, as_certificate, as_key) in [
            ("", "no certificate", "no private key"),
            ("-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "openssl pkcs7", "no private key"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "a private key and no certificate",
                "openssl pkey -in",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                "a private key and no certificate",
                "openssl pkey -in",
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                "a private key and no certificate",
                "ssh-keygen -p -m PEM",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "",
                "a certificate and no private key",
            ),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "no PEM as it should be", "no PEM as it should be"),
        ] {
            fs::write(&path, content).unwrap();
            let told = certificates(&path).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                told.contains(as_certificate) && told.is_empty() == as_certificate.is_empty(),
                "{content}: {told}"
            );
            let told = private_key(&path).unwrap_err().to_string();
            assert!(told.contains(as_key), "{content}: {told}");
        }
        fs::write(&path, b"\x30\x01a").unwrap();
        assert_eq!(certificates(&path).unwrap(), [CertificateDer::from(b"\x30\x01a".to_vec())]);
        assert!(private_key(&path).unwrap_err().to_string().contains("-inform DER"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
