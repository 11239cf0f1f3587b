//! Certificates for a Redis with TLS: an authority, a server and a client, as PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use redis::{ClientTlsConfig, TlsCertificates};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// An authority of its own, and what it has signed. The files live as long as the last clone.
#[derive(Debug, Clone)]
pub struct Certificates {
    dir: Arc<TempDir>,
}

impl Certificates {
    /// Makes all of them, for `localhost` and 127.0.0.1; also names *ring* as the cryptography of this process' TLS.
    ///
    /// # Panics
    /// When they can't be made or written.
    #[must_use]
    pub fn generate() -> Self {
        // An error says that a provider is installed already, which does as well.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir()
            .unwrap_or_else(|error| panic!("no temporary directory for certificates: {error}"));
        let certificates = Self { dir: Arc::new(dir) };
        let files = pem_files().unwrap_or_else(|error| panic!("can't make certificates: {error}"));
        for (name, pem) in files {
            let path = certificates.path(name);
            std::fs::write(&path, pem)
                .unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
        }
        certificates
    }

    /// The authority's certificate, which a client trusts (`ca.pem`).
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate, for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn server_certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's private key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// A client's certificate.
    #[must_use]
    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's private key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    /// What a client needs that trusts the authority and shows no certificate.
    ///
    /// # Panics
    /// When the file is gone.
    #[must_use]
    pub fn trusting(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: None,
            root_cert: Some(read(&self.authority())),
        }
    }

    /// The same with the client's certificate.
    ///
    /// # Panics
    /// When a file is gone.
    #[must_use]
    pub fn identified(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: Some(ClientTlsConfig {
                client_cert: read(&self.client_certificate()),
                client_key: read(&self.client_key()),
            }),
            ..self.trusting()
        }
    }

    /// How a server speaks TLS that shows the server's certificate and asks for none.
    ///
    /// # Panics
    /// When a file is gone.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(self.server_key());
        let certificate = CertificateDer::from_pem_file(self.server_certificate());
        let config = certificate.and_then(|certificate| Ok((vec![certificate], key?)));
        let (chain, key) = config.unwrap_or_else(|error| panic!("no certificate or key: {error}"));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Arc::new(config.unwrap_or_else(|error| panic!("the key fits no certificate: {error}")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display()))
}

/// Each file's name and text.
fn pem_files() -> Result<[(&'static str, String); 5], Error> {
    let mut authority = named("Test authority", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut server = named("Test server", &["localhost", "127.0.0.1"])?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate()?;
    let server = server.signed_by(&server_key, &authority)?;

    let mut client = named("Test client", &[])?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate()?;
    let client = client.signed_by(&client_key, &authority)?;

    Ok([
        ("ca.pem", authority.pem()),
        ("server.pem", server.pem()),
        ("server.key", server_key.serialize_pem()),
        ("client.pem", client.pem()),
        ("client.key", client_key.serialize_pem()),
    ])
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams, Error> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::Certificates;
    use crate::redis_server::RedisServer;
    use redis::{AsyncCommands, Client};

    #[tokio::test]
    async fn a_server_with_tls_answers_through_rediss_also_after_a_restart() {
        let certificates = Certificates::generate();
        let mut server = RedisServer::builder()
            .tls(&certificates)
            .append_only(true)
            .start()
            .await;
        assert_eq!(
            server.url(),
            format!("rediss://127.0.0.1:{}", server.port())
        );
        let _: () = server
            .connection()
            .await
            .set("vote", 7)
            .await
            .expect("Redis answers");
        server.restart().await;
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("rediss://{host}:{}", server.port());
            let client =
                Client::build_with_tls(url, certificates.trusting()).expect("a right address");
            let mut connection = client
                .get_multiplexed_async_connection()
                .await
                .expect("the client is let in");
            assert_eq!(
                connection
                    .get::<_, u32>("vote")
                    .await
                    .expect("Redis answers"),
                7
            );
        }
    }

    #[tokio::test]
    async fn neither_a_plain_client_nor_a_stranger_is_served_where_tls_is_asked_for() {
        let certificates = Certificates::generate();
        let server = RedisServer::builder()
            .tls(&certificates)
            .config("tls-auth-clients", "yes")
            .start()
            .await;
        let plain =
            Client::open(format!("redis://127.0.0.1:{}", server.port())).expect("a right address");
        let stranger =
            Client::build_with_tls(server.url(), certificates.trusting()).expect("a right address");
        let distrustful =
            Client::build_with_tls(server.url(), Certificates::generate().identified())
                .expect("a right address");
        for client in [plain, stranger, distrustful] {
            let asked = async {
                let mut connection = client.get_multiplexed_async_connection().await?;
                connection.ping::<String>().await
            };
            assert!(asked.await.is_err());
        }
        let pong: String = server
            .connection()
            .await
            .ping()
            .await
            .expect("Redis answers");
        assert_eq!(pong, "PONG");
    }
}
