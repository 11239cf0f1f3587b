//! How a connection to one server is made.

use std::convert::Infallible;

use deadpool_redis::{Hook, HookError, Manager, Pool, QueueMode, Runtime, Timeouts};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, ProtocolVersion, PushInfo, RedisError, TlsCertificates,
};

use crate::address::{Address, Node};
use crate::config::RedisConfig;
use crate::error::StoreError;
use crate::server::Greeting;

/// Makes connections to any of the servers behind one address.
pub(super) struct Dialer {
    certificates: Option<TlsCertificates>,
    config: RedisConfig,
}

/// As whom we come to a server.
#[derive(Clone, Copy)]
enum Login {
    /// To one with the polls' data.
    Data,
    /// To a sentinel.
    Sentinel,
}

impl Dialer {
    /// Reads the TLS files.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        if config.url.tls {
            // An error says that another part of the process has chosen one already.
            let _chosen = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self {
            certificates: certificates(config)?,
            config: config.clone(),
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.config.url
    }

    /// A pool of connections to `node`, a server with the polls' data.
    pub(super) fn pool(&self, node: &Node) -> Result<Pool, StoreError> {
        let info = self.info(node, Login::Data)?;
        let manager = Manager::new_with_config(info, self.timeouts()).map_err(unusable)?;
        let builder = Pool::builder(manager)
            .max_size(self.config.pool_size)
            .runtime(Runtime::Tokio1)
            // In turn, all that a busy moment has needed would be used for good, and none let go of as unused.
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts {
                wait: Some(self.config.connect_timeout),
                create: Some(self.config.connect_timeout),
                recycle: Some(self.config.response_timeout),
            })
            // What was a master when the sentinels were asked may be a replica by now, and an address without
            // sentinels may lead to anything.
            .post_create(Hook::async_fn(|connection, _| {
                Box::pin(async { is_usable(connection).await })
            }));
        builder
            .build()
            .map_err(|error| StoreError::Address(error.to_string()))
    }

    /// One connection to `node` that asks where the data is.
    pub(super) async fn ask(&self, node: &Node) -> Result<MultiplexedConnection, RedisError> {
        // A sentinel has users of its own, and no databases.
        let login = if self.config.url.topology.names_masters() {
            Login::Sentinel
        } else {
            Login::Data
        };
        let info = self.info(node, login).map_err(|error| {
            RedisError::from((
                redis::ErrorKind::InvalidClientConfig,
                "address",
                error.to_string(),
            ))
        })?;
        let client = Client::open(info)?;
        client
            .get_multiplexed_async_connection_with_config(&self.timeouts())
            .await
    }

    /// One connection to `node`, a server with the polls' data, over which `hear` is told what the server says unasked.
    pub(super) async fn hear(
        &self,
        node: &Node,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, StoreError> {
        let info = self.info(node, Login::Data)?;
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings))?;
        let config = self.timeouts().set_push_sender(move |said| {
            hear(said);
            Ok::<(), Infallible>(())
        });
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await?;
        match Greeting::ask_by(3, &mut connection).await?.refusal() {
            Some(refusal) => Err(StoreError::Connect(format!("{node}: {refusal}"))),
            None => Ok(connection),
        }
    }

    /// A connection to `sentinel` that listens.
    pub(super) async fn listen(&self, sentinel: &Node) -> Result<PubSub, StoreError> {
        let client = Client::open(self.info(sentinel, Login::Sentinel)?)?;
        match tokio::time::timeout(self.config.connect_timeout, client.get_async_pubsub()).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(StoreError::Connect(
                "it can't be reached in time".to_owned(),
            )),
        }
    }

    fn timeouts(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(Some(self.config.response_timeout))
    }

    fn info(&self, node: &Node, login: Login) -> Result<ConnectionInfo, StoreError> {
        let address = if self.config.url.tls {
            ConnectionAddr::TcpTls {
                host: node.host.clone(),
                port: node.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(node.host.clone(), node.port)
        };
        let mut info = address.into_connection_info().map_err(unusable)?;
        if let Some(certificates) = &self.certificates {
            info = Client::build_with_tls(info, certificates.clone())
                .map_err(unusable)?
                .get_connection_info()
                .clone();
        }
        let mut settings = info.redis_settings().clone();
        let (username, password) = match login {
            Login::Data => {
                let url = &self.config.url;
                settings = settings.set_db(url.database);
                (
                    self.config.username.as_ref().or(url.username.as_ref()),
                    self.config.password.as_ref().or(url.password.as_ref()),
                )
            }
            Login::Sentinel => (
                self.config.sentinel_username.as_ref(),
                self.config.sentinel_password.as_ref(),
            ),
        };
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = password {
            settings = settings.set_password(password.expose());
        }
        // Lanes share a connection. By redis' default (Nagle's algorithm) what one sends would wait until the server has answered
        // what another has sent.
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unusable(error: RedisError) -> StoreError {
    StoreError::Address(error.to_string())
}

/// Reads the files; `None`: the authorities that the machine trusts, and no certificate of our own.
fn certificates(config: &RedisConfig) -> Result<Option<TlsCertificates>, StoreError> {
    let files = [
        &config.tls_ca_file,
        &config.tls_cert_file,
        &config.tls_key_file,
    ];
    if files.iter().all(|file| file.is_none()) {
        return Ok(None);
    }
    if !config.url.tls {
        return Err(StoreError::Address(
            "it has TLS files, and a scheme without TLS: use rediss://".to_owned(),
        ));
    }
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| {
            StoreError::Address(format!("{} can't be read: {error}", path.display()))
        })
    };
    let client_tls = match (&config.tls_cert_file, &config.tls_key_file) {
        (Some(certificate), Some(key)) => Some(ClientTlsConfig {
            client_cert: read(certificate)?,
            client_key: read(key)?,
        }),
        (None, None) => None,
        _ => {
            return Err(StoreError::Address(
                "of the client's certificate and its key, one is missing".to_owned(),
            ));
        }
    };
    let root_cert = config.tls_ca_file.as_deref().map(read).transpose()?;
    Ok(Some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

async fn is_usable(connection: &mut MultiplexedConnection) -> Result<(), HookError> {
    let greeting = Greeting::ask(connection)
        .await
        .map_err(HookError::Backend)?;
    greeting
        .refusal()
        .map_or(Ok(()), |refusal| Err(HookError::message(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_does_not_wait_for_earlier_answers() {
        for url in ["redis://127.0.0.1:6379", "rediss://127.0.0.1:6379"] {
            let config = RedisConfig::new(url).expect("an address");
            let dialer = Dialer::new(&config).expect("nothing to read");
            let node = config.url.hosts.first().expect("a host");
            for login in [Login::Data, Login::Sentinel] {
                let info = dialer.info(node, login).expect("a server");
                assert!(info.tcp_settings().nodelay(), "{url}");
            }
        }
    }
}
