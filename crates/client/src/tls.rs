//! TLS: who is trusted, and as whom a service must show itself.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to speak TLS to one host.
#[derive(Clone, derive_more::Debug)]
pub struct Tls {
    #[debug(skip)]
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// Authorities that are trusted beside those of the machine; none by default.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads a file of certificates (PEM).
    ///
    /// # Errors
    /// When it can't be read, no certificate is in it, or one is no authority's.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = std::fs::read(file)?;
        let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| io::Error::other(format!("it is no PEM: {error}")))?;
        if found.is_empty() {
            return Err(io::Error::other("no certificate (PEM) is in it"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).map_err(|error| {
                io::Error::other(format!("a certificate in it can't be trusted: {error}"))
            })?;
        }
        Ok(Self(found))
    }
}

impl Tls {
    /// Trusts the authorities of this machine, or those that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name, and
    /// these beside them.
    ///
    /// # Errors
    /// When there are none, or the host can't be named in a certificate.
    pub(crate) fn of_machine(host: &str, also: &Authorities) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        roots.add_parsable_certificates(also.0.iter().cloned());
        if roots.is_empty() {
            return Err(io::Error::other(
                "this machine trusts no authority: SSL_CERT_FILE names a file of certificates (PEM)",
            ));
        }
        Self::trusting(host, roots)
    }

    /// Trusts these authorities.
    ///
    /// # Errors
    /// When the host can't be named in a certificate.
    pub fn trusting(host: &str, roots: RootCertStore) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        })
    }

    /// Greets the other side, which must show that it is who it should be.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Tls;
    use crate::answer::no_connection;
    use crate::connection::Connection;
    use crate::endpoint::Endpoint;
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use vote_testkit::Certificates;

    /// A server that answers what comes in one read, for as long as it is asked.
    pub(crate) async fn server(certificates: &Certificates) -> SocketAddr {
        let acceptor = TlsAcceptor::from(certificates.server_config());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).await? > 0 {
                        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(answer).await?;
                    }
                    stream.shutdown().await
                });
            }
        });
        address
    }

    fn endpoint(address: SocketAddr, host: &str, trusted: &Certificates) -> Endpoint {
        let authority = CertificateDer::from_pem_file(trusted.authority()).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("an authority");
        Endpoint {
            address,
            tls: Some(Tls::trusting(host, roots).expect("a host's name")),
            route: None,
        }
    }

    #[tokio::test]
    async fn one_connection_carries_many_requests_also_after_the_tickets_of_the_session() {
        let certificates = Certificates::generate();
        let address = server(&certificates).await;
        for host in ["localhost", "127.0.0.1"] {
            let endpoint = endpoint(address, host, &certificates);
            let mut connection = Connection::open(&endpoint).await.expect("it is trusted");
            for _ in 0..3 {
                let answer = connection.exchange(b"hello").await.expect("an answer");
                assert_eq!((answer.status, answer.body), (201, b"ok".as_slice()));
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                assert!(connection.is_reusable());
            }
        }
    }

    #[tokio::test]
    async fn a_port_of_plain_http_is_said_to_speak_no_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a listener has an address");
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut buffer = [0; 1024];
            let _greeting = stream.read(&mut buffer).await;
            let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("it is sent");
        });
        let endpoint = endpoint(address, "localhost", &Certificates::generate());
        let opened = Connection::open(&endpoint).await;
        let error = no_connection(&opened.expect_err("it is no TLS"));
        assert_eq!(error, "no connection: that port speaks no TLS");
        answering.await.expect("it has answered");
    }

    #[tokio::test]
    async fn nobody_is_trusted_under_another_name_or_by_another_authority_and_the_error_says_so() {
        let certificates = Certificates::generate();
        let address = server(&certificates).await;
        let stranger = Certificates::generate();
        for (host, trusted, says) in [
            ("localhost", &stranger, "invalid peer certificate"),
            ("vote.example", &certificates, "not valid for name"),
        ] {
            let opened = Connection::open(&endpoint(address, host, trusted)).await;
            let error = no_connection(&opened.expect_err("it is refused"));
            assert!(error.starts_with("no connection: "), "{error}");
            assert!(error.contains(says), "{error}");
        }
    }
}
