//! Options of encrypted connections.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! tls_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Tls;
/// Port for TLS clients; 0 for none.
tls_port: u16 = "tls-port" [], PORT, "0", MUTABLE, ActsWith(Tls);
/// Start with a self-signed certificate made at start, for development; only when no certificate is given.
tls_auto: bool = "tls-auto" [], Bool, "no", MUTABLE, ActsWith(Tls);
/// The server's certificate, a PEM file.
tls_cert_file: Option<PathBuf> = "tls-cert-file" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// The server's private key, a PEM file.
tls_key_file: Option<PathBuf> = "tls-key-file" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// The password of the private key.
tls_key_file_pass: Option<Secret> = "tls-key-file-pass" [], Kind::Secret, "", SENSITIVE, ActsWith(Tls);
/// Certificate shown to other servers; the server's own when empty.
tls_client_cert_file: Option<PathBuf> = "tls-client-cert-file" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// Private key used towards other servers.
tls_client_key_file: Option<PathBuf> = "tls-client-key-file" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// The password of the private key used towards other servers.
tls_client_key_file_pass: Option<Secret> = "tls-client-key-file-pass" [], Kind::Secret, "", SENSITIVE, ActsWith(Tls);
/// Parameters for Diffie-Hellman with TLS 1.2.
tls_dh_params_file: Option<PathBuf> = "tls-dh-params-file" [], TEXT, "", MUTABLE,
    Accepted("only elliptic curves are used");
/// Certificates of those who may sign others, a PEM file.
tls_ca_cert_file: Option<PathBuf> = "tls-ca-cert-file" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// The same as a folder of PEM files.
tls_ca_cert_dir: Option<PathBuf> = "tls-ca-cert-dir" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// Whether clients must show a certificate: always, never, only if they have one.
tls_auth_clients: TlsAuthClients = "tls-auth-clients" [], choice(TlsAuthClients::NAMES), "yes", MUTABLE, ActsWith(Tls);
/// Log a client in as the user that its certificate names (`CN`), without AUTH.
tls_auth_clients_user: TlsAuthClientsUser = "tls-auth-clients-user" [], choice(TlsAuthClientsUser::NAMES), "off",
    MUTABLE, ActsWith(Tls);
/// Speak TLS to the primary.
tls_replication: bool = "tls-replication" [], Bool, "no", MUTABLE, ActsWith(Tls);
/// Speak TLS on the cluster bus.
tls_cluster: bool = "tls-cluster" [], Bool, "no", MUTABLE, ActsWith(Tls);
/// Versions of the protocol, such as `TLSv1.2 TLSv1.3`; empty for these two.
tls_protocols: String = "tls-protocols" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// Ciphers of TLS 1.2, in OpenSSL's notation.
tls_ciphers: String = "tls-ciphers" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// Cipher suites of TLS 1.3.
tls_ciphersuites: String = "tls-ciphersuites" [], TEXT, "", MUTABLE, ActsWith(Tls);
/// Take the server's order of ciphers.
tls_prefer_server_ciphers: bool = "tls-prefer-server-ciphers" [], Bool, "no", MUTABLE, ActsWith(Tls);
/// Let clients take up an earlier session.
tls_session_caching: bool = "tls-session-caching" [], Bool, "yes", MUTABLE, ActsWith(Tls);
/// How many sessions are remembered.
tls_session_cache_size: u32 = "tls-session-cache-size" [], COUNT, "20480", MUTABLE, ActsWith(Tls);
/// Seconds for which a session is remembered.
tls_session_cache_timeout: u32 = "tls-session-cache-timeout" [], COUNT, "300", MUTABLE, ActsWith(Tls);
    } } };
}
