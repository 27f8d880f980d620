//! With a server that has a certificate of its own authority.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::server::{OK, read_request};
use super::*;
use crate::sink::HttpSetupError;

/// An authority, its file, and a server with a certificate for `name`.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn server_for(&self, name: &str) -> Server {
        let config = self.config_for(name);
        Server::start(move |stream, requests| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(tls, stream));
            while let Some(request) = read_request(&mut reader) {
                let _ = requests.send(request);
                reader.get_mut().write_all(OK.as_bytes()).unwrap();
                reader.get_mut().flush().unwrap();
            }
        })
    }

    /// Answers 200 to the beginning of a request, and hangs up when the client has.
    fn early_server_for(&self, name: &str) -> Server {
        let config = self.config_for(name);
        Server::start(move |stream, _| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            stream.read_exact(&mut [0; 100]).unwrap();
            stream.write_all(OK.as_bytes()).unwrap();
            stream.flush().unwrap();
            // Unread, until the client has heard the answer.
            std::thread::sleep(Duration::from_millis(100));
        })
    }

    fn config_for(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

fn send(url: String, ca_cert: Option<PathBuf>) -> Outcome {
    let mut options = options(&url, PATIENT);
    options.ca_cert = ca_cert;
    sink(options).send(&batch(&vec![b'7'; 300_000]), 1)
}

#[test]
fn a_receiver_whose_authority_is_named_is_trusted() {
    let authority = Authority::new();
    let server = authority.server_for("localhost");
    let mut options = options(&format!("https://localhost:{}/in", server.port), PATIENT);
    options.ca_cert = Some(authority.file());
    let mut sink = sink(options);
    for _ in 0..3 {
        let body = vec![b'7'; 300_000];
        assert_eq!(sink.send(&batch(&body), 1), delivered());
        assert!(server.requests.recv().unwrap().body == body);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_success_over_tls_counts_only_if_what_lies_under_tls_had_left() {
    let authority = Authority::new();
    let server = authority.early_server_for("localhost");
    let mut options = options(&format!("https://localhost:{}/in", server.port), PATIENT);
    options.ca_cert = Some(authority.file());
    let reason = later(sink(options).send(&batch(&vec![b'7'; 1_000_000]), 1));
    assert!(reason.contains("before it had the whole request"), "{reason}");
}

#[test]
fn a_receiver_that_cannot_be_trusted_gets_nothing() {
    let authority = Authority::new();
    let server = authority.server_for("localhost");
    let good = format!("https://localhost:{}/in", server.port);
    let other_name = format!("https://127.0.0.1:{}/in", server.port);
    let bundled = later(send(good.clone(), None));
    assert!(bundled.contains("its certificate is from an authority that is not trusted here"), "{bundled}");
    assert!(bundled.contains("TLS") && bundled.contains("--ca-cert"), "{bundled}");
    let another = later(send(good, Some(Authority::new().file())));
    assert!(another.contains("TLS") && !another.contains("Other("), "{another}");
    let wrong_name = later(send(other_name, Some(authority.file())));
    assert!(wrong_name.contains("TLS") && wrong_name.contains("localhost"), "{wrong_name}");
    assert!(server.requests.try_recv().is_err(), "no request was sent");
}

#[test]
fn a_receiver_that_speaks_no_tls_is_tried_later() {
    let server = Server::blurting(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let reason = later(send(format!("https://127.0.0.1:{}/in", server.port), None));
    assert!(reason.contains("TLS"), "{reason}");
}

#[test]
fn a_tls_receiver_that_is_spoken_to_in_the_clear_is_tried_later() {
    let server = Authority::new().server_for("localhost");
    later(send(format!("http://localhost:{}/in", server.port), None));
}

#[test]
fn a_file_without_authorities_is_refused_before_anything_is_sent() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ca.pem");
    let refused = |content: Option<&str>| {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let mut options = options("https://localhost/", PATIENT);
        options.ca_cert = Some(path.clone());
        let error = HttpSink::new(options).err().unwrap();
        assert!(matches!(error, HttpSetupError::CaCert { .. }), "{error:?}");
        error.to_string()
    };
    assert!(refused(None).contains("No such file"));
    assert!(refused(Some("")).contains("no certificate"));
    let damaged = refused(Some("-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n"));
    assert!(damaged.ends_with("ca.pem: a certificate in it is damaged or cut off"), "{damaged}");
    assert!(refused(Some(&KeyPair::generate().unwrap().serialize_pem())).contains("private key"));
}
