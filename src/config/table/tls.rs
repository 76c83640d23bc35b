//! Options of encrypted connections.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! tls_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Tls;
/// The port for clients that speak TLS, on the addresses of `bind`; 0 for none. Certificates that are replaced are
/// noticed within a second, and by CONFIG SET; new connections are then served with them.
tls_port: u16 = "tls-port" [], PORT, "0", MUTABLE, Acts;
/// For development: when no certificate is given, make a self-signed one. It is kept in `dir` as `tls-auto.crt` and
/// `tls-auto.key`, the log tells its fingerprint, and clients are asked for certificates only if authorities are named.
tls_auto: bool = "tls-auto" [], Bool, "no", MUTABLE, Acts;
/// The server's certificate, a PEM file.
tls_cert_file: Option<PathBuf> = "tls-cert-file" [], TEXT, "", FILE, Acts;
/// The server's private key, a PEM file.
tls_key_file: Option<PathBuf> = "tls-key-file" [], TEXT, "", FILE, Acts;
/// The password of the private key, which is in PKCS#8 form (`ENCRYPTED PRIVATE KEY`).
tls_key_file_pass: Option<Secret> = "tls-key-file-pass" [], Kind::Secret, "", SENSITIVE, Acts;
/// Certificate shown to other servers; the server's own when empty.
tls_client_cert_file: Option<PathBuf> = "tls-client-cert-file" [], TEXT, "", MUTABLE, ActsWith(Replication);
/// Private key used towards other servers.
tls_client_key_file: Option<PathBuf> = "tls-client-key-file" [], TEXT, "", MUTABLE, ActsWith(Replication);
/// The password of the private key used towards other servers.
tls_client_key_file_pass: Option<Secret> = "tls-client-key-file-pass" [], Kind::Secret, "", SENSITIVE, ActsWith(Replication);
/// Parameters for Diffie-Hellman with TLS 1.2.
tls_dh_params_file: Option<PathBuf> = "tls-dh-params-file" [], TEXT, "", MUTABLE,
    Accepted("only elliptic curves are used");
/// Certificates of those who may sign others, a PEM file.
tls_ca_cert_file: Option<PathBuf> = "tls-ca-cert-file" [], TEXT, "", FILE, Acts;
/// The same as a folder: every file there that holds certificates.
tls_ca_cert_dir: Option<PathBuf> = "tls-ca-cert-dir" [], TEXT, "", FILE, Acts;
/// Whether clients must show a certificate: always, never, only if they have one.
tls_auth_clients: TlsAuthClients = "tls-auth-clients" [], choice(TlsAuthClients::NAMES), "yes", MUTABLE, Acts;
/// Log a client in as the user that the whole common name of its certificate names (`CN`), without AUTH.
tls_auth_clients_user: TlsAuthClientsUser = "tls-auth-clients-user" [], choice(TlsAuthClientsUser::NAMES), "off",
    MUTABLE, Acts;
/// Speak TLS to the primary.
tls_replication: bool = "tls-replication" [], Bool, "no", MUTABLE, ActsWith(Replication);
/// Speak TLS on the cluster bus.
tls_cluster: bool = "tls-cluster" [], Bool, "no", MUTABLE, ActsWith(Cluster);
/// Versions of the protocol, such as `TLSv1.2 TLSv1.3`; empty for these two. Older ones are refused.
tls_protocols: String = "tls-protocols" [], TEXT, "", MUTABLE, Acts;
/// Ciphers of TLS 1.2, in OpenSSL's notation: ECDHE with AES-GCM or ChaCha20, nothing else is spoken; other names are
/// refused. Empty for all of them.
tls_ciphers: String = "tls-ciphers" [], TEXT, "", MUTABLE, Acts;
/// Cipher suites of TLS 1.3.
tls_ciphersuites: String = "tls-ciphersuites" [], TEXT, "", MUTABLE, Acts;
/// Take the server's order of ciphers.
tls_prefer_server_ciphers: bool = "tls-prefer-server-ciphers" [], Bool, "no", MUTABLE, Acts;
/// Let clients take up an earlier session.
tls_session_caching: bool = "tls-session-caching" [], Bool, "yes", MUTABLE, Acts;
/// How many sessions are remembered; 0 is no bound.
tls_session_cache_size: u32 = "tls-session-cache-size" [], COUNT, "20480", MUTABLE, Acts;
/// Seconds for which a session is remembered.
tls_session_cache_timeout: u32 = "tls-session-cache-timeout" [], COUNT, "300", MUTABLE, Acts;
    } } };
}
