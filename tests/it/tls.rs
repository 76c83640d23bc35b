//! TLS: handshakes, clients with and without certificates, certificates that are replaced, and bytes in every portion.
//!
//! Every test has an authority of its own (rcgen), whose files lie in a folder that goes with the test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ochre::base::clock::Time;
use ochre::server::embed::Server;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::support::{connect, eventually};
use super::wire::{Reply, Wire, request};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An authority, a certificate of the server that it has signed, and their files.
struct Pki {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Pki {
    fn new() -> Pki {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let authority_pem = params.self_signed(&key).unwrap().pem();
        let pki = Pki { folder: TempDir::new().unwrap(), authority: Issuer::new(params, key), authority_pem };
        std::fs::write(pki.path("ca.crt"), &pki.authority_pem).unwrap();
        pki.install(&pki.server_pair(1));
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A certificate for the server; which one it is can be told from its serial number.
    fn server_pair(&self, serial: u64) -> Pair {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.serial_number = Some(serial.into());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A certificate for a client with that common name.
    fn client_pair(&self, name: impl Into<DnValue>) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "clients");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Makes that the server's files, each replaced at once.
    fn install(&self, pair: &Pair) {
        for (name, text) in [("server.crt", &pair.certificate), ("server.key", &pair.key)] {
            std::fs::write(self.path("fresh"), text).unwrap();
            std::fs::rename(self.path("fresh"), self.path(name)).unwrap();
        }
    }

    /// A server with these files, and where it listens for TLS.
    fn server(&self, options: &[&str]) -> (Server, SocketAddr) {
        let (crt, key, ca) = (self.text("server.crt"), self.text("server.key"), self.text("ca.crt"));
        let files = ["--tls-cert-file", &crt, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        start(&[&files, options].concat())
    }

    fn client_config(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        client_config(&self.authority_pem, pair)
    }

    fn connect(&self, addr: SocketAddr) -> Wire<Tls> {
        Wire::over(stream(addr, self.client_config(None)))
    }
}

fn client_config(authority_pem: &str, pair: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match pair {
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    })
}

fn stream(addr: SocketAddr, config: Arc<ClientConfig>) -> Tls {
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
}

/// A server that listens for TLS on a port that was free a moment ago.
fn start(options: &[&str]) -> (Server, SocketAddr) {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let port = addr.port().to_string();
        let options = [&["--io-threads", "2", "--tls-port", &port], options].concat();
        match Server::start(&options, Time::system()) {
            Ok(server) => return (server, addr),
            // Somebody was faster.
            Err(error) if error.contains("Address already in use") => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no port is free");
}

fn pong() -> Reply {
    Reply::Status(b"PONG".to_vec())
}

/// Whether a client with that configuration is served.
fn is_served(addr: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let mut wire = Wire::over(stream(addr, Arc::clone(config)));
    wire.send(&["PING"]).is_ok() && wire.read().is_ok_and(|reply| reply == pong())
}

/// The serial number of the certificate that the server shows now.
fn shown_certificate(addr: SocketAddr, pki: &Pki) -> Vec<u8> {
    let mut wire = pki.connect(addr);
    assert_eq!(wire.ask("PING"), pong());
    wire.stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn der(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap().to_vec()
}

#[test]
fn tls_and_plain_clients_see_the_same_data() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let (mut secret, mut plain) = (pki.connect(addr), connect(&server));
    assert_eq!(secret.ask("SET k v"), Reply::ok());
    assert_eq!(plain.ask("GET k"), Reply::bulk("v"));
    let Reply::Bulk(info) = plain.ask("INFO server") else { panic!("no text") };
    let line = format!("name=tls,bind=127.0.0.1,port={}", addr.port());
    assert!(String::from_utf8(info).unwrap().contains(&line));
    // Who does not speak TLS there is not understood, and the other way round.
    let mut lost = Wire::connect(addr);
    let _ = lost.send(&["PING"]);
    assert!(!matches!(lost.read(), Ok(Reply::Status(_))));
    assert!(!is_served(server.addr, &pki.client_config(None)));
    assert_eq!(plain.ask("PING"), pong());
}

#[test]
fn pushes_reach_clients_that_do_nothing() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let mut listener = pki.connect(addr);
    listener.ask("SUBSCRIBE news");
    assert_eq!(connect(&server).ask("PUBLISH news hello"), Reply::Integer(1));
    let words = ["message", "news", "hello"].map(Reply::bulk);
    assert_eq!(listener.read().unwrap(), Reply::Array(words.to_vec()));
}

#[test]
fn clients_show_certificates_as_the_option_says() {
    let pki = Pki::new();
    let stranger = Pki::new().client_pair("stranger");
    let known = pki.client_pair("known");
    let [none, known, unknown] = [None, Some(&known), Some(&stranger)].map(|pair| pki.client_config(pair));
    for (rule, expected) in
        [("yes", [false, true, false]), ("optional", [true, true, false]), ("no", [true, true, true])]
    {
        let (_server, addr) = pki.server(&["--tls-auth-clients", rule]);
        let served = [&none, &known, &unknown].map(|config| is_served(addr, config));
        assert_eq!(served, expected, "{rule}");
    }
}

#[test]
fn a_certificate_can_name_the_user() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "optional", "--tls-auth-clients-user", "CN"]);
    let mut admin = connect(&server);
    for line in ["ACL SETUSER alice on >secret +@all ~*", "ACL SETUSER bob off nopass +@all ~*"] {
        assert_eq!(admin.ask(line), Reply::ok());
    }
    assert_eq!(admin.ask("ACL SETUSER default resetpass >hidden"), Reply::ok());
    let who = |name: DnValue| {
        let pair = pki.client_pair(name);
        Wire::over(stream(addr, pki.client_config(Some(&pair)))).ask("ACL WHOAMI")
    };
    let text = |name: &str| DnValue::Utf8String(name.to_owned());
    let noauth = Reply::Error(b"NOAUTH Authentication required.".to_vec());
    assert_eq!(who(text("alice")), Reply::bulk("alice"));
    for name in ["bob", "nobody", "Alice", "alice ", "alice\0", "alice\0.evil.example", "alic", ""] {
        assert_eq!(who(text(name)), noauth, "{name:?}");
    }
    assert_eq!(who(DnValue::PrintableString("alice".try_into().unwrap())), Reply::bulk("alice"));
    assert_eq!(pki.connect(addr).ask("ACL WHOAMI"), noauth);
    // The name is the certificate's, so it goes with the user as after AUTH.
    let pair = pki.client_pair("alice");
    let mut alice = Wire::over(stream(addr, pki.client_config(Some(&pair))));
    assert_eq!(alice.ask("ACL WHOAMI"), Reply::bulk("alice"));
    admin = Wire::over(connect(&server).stream);
    assert_eq!(admin.ask("AUTH hidden"), Reply::ok());
    assert_eq!(admin.ask("ACL DELUSER alice"), Reply::Integer(1));
    assert!(alice.is_closed());
    assert_eq!(admin.ask("CONFIG SET tls-auth-clients-user off"), Reply::ok());
    assert_eq!(admin.ask("ACL SETUSER alice on nopass +@all"), Reply::ok());
    assert_eq!(who(text("alice")), noauth);
}

#[test]
fn a_library_speaks_tls() {
    let pki = Pki::new();
    let (_server, addr) = pki.server(&["--tls-auth-clients", "yes"]);
    let pair = pki.client_pair("library");
    let connect = |authority_pem: &str, pair: Option<&Pair>| {
        let client_tls = pair.map(|pair| redis::ClientTlsConfig {
            client_cert: pair.certificate.clone().into_bytes(),
            client_key: pair.key.clone().into_bytes(),
        });
        let trusted =
            redis::TlsCertificates { client_tls, root_cert: Some(authority_pem.as_bytes().to_vec()) };
        let client =
            redis::Client::build_with_tls(format!("rediss://localhost:{}/", addr.port()), trusted).unwrap();
        let mut connection = client.get_connection()?;
        let mut pipe = redis::pipe();
        for number in 0..1_000 {
            pipe.set(number, vec![b'v'; number]).ignore();
        }
        pipe.get(999).query::<Vec<Vec<u8>>>(&mut connection)
    };
    assert_eq!(connect(&pki.authority_pem, Some(&pair)).unwrap(), [vec![b'v'; 999]]);
    assert!(connect(&pki.authority_pem, None).is_err());
    assert!(connect(&Pki::new().authority_pem, Some(&pair)).is_err());
}

#[test]
fn certificates_are_replaced_without_a_restart() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let mut old = pki.connect(addr);
    assert_eq!(old.ask("PING"), pong());
    // When the files change.
    let second = pki.server_pair(2);
    pki.install(&second);
    eventually("the new files are noticed", || shown_certificate(addr, &pki) == der(&second));
    // By CONFIG SET with the name that it has, and with another one.
    let mut admin = connect(&server);
    for (serial, name) in [(3, "server"), (4, "other")] {
        let pair = pki.server_pair(serial);
        let [crt, key] = ["crt", "key"].map(|end| pki.text(&format!("{name}.{end}")));
        std::fs::write(&crt, &pair.certificate).unwrap();
        std::fs::write(&key, &pair.key).unwrap();
        assert_eq!(admin.call(&["CONFIG", "SET", "tls-cert-file", &crt, "tls-key-file", &key]), Reply::ok());
        assert_eq!(shown_certificate(addr, &pki), der(&pair));
    }
    assert_eq!(old.ask("PING"), pong());
}

#[test]
fn a_bad_certificate_changes_nothing() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let before = shown_certificate(addr, &pki);
    let mut admin = connect(&server);
    std::fs::write(pki.path("garbage"), "no certificate").unwrap();
    std::fs::write(pki.path("foreign.key"), &pki.server_pair(9).key).unwrap();
    let foreign = pki.text("foreign.key");
    for (option, value) in [
        ("tls-cert-file", pki.text("garbage")),
        ("tls-cert-file", pki.text("missing")),
        ("tls-cert-file", String::new()),
        ("tls-key-file", foreign),
        ("tls-ca-cert-file", pki.text("garbage")),
        ("tls-ca-cert-dir", pki.text("missing")),
        ("tls-protocols", "TLSv1.1".into()),
        ("tls-ciphers", "RC4-SHA".into()),
        ("tls-ciphersuites", "TLS_AES_128_CCM_SHA256".into()),
    ] {
        let answer = admin.call(&["CONFIG", "SET", option, &value]).error_text();
        let begin =
            format!("ERR CONFIG SET failed (possibly related to argument '{option}') - Unable to update TLS");
        assert!(answer.starts_with(&begin), "{option} {value}: {answer}");
        assert_eq!(shown_certificate(addr, &pki), before, "{option} {value}");
    }
    // Files that are broken on the disk: what was read stays in use.
    std::fs::write(pki.path("server.key"), "broken").unwrap();
    assert!(!admin.ask("CONFIG SET tls-prefer-server-ciphers yes").error_text().is_empty());
    assert_eq!(shown_certificate(addr, &pki), before);
    let mended = pki.server_pair(10);
    pki.install(&mended);
    eventually("the mended files are noticed", || shown_certificate(addr, &pki) == der(&mended));
}

#[test]
fn versions_and_ciphers_are_those_of_the_options() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2"]);
    let agreed = || {
        let mut wire = pki.connect(addr);
        assert_eq!(wire.ask("PING"), pong());
        let suite = wire.stream.conn.negotiated_cipher_suite().unwrap().suite();
        format!("{:?} {suite:?}", wire.stream.conn.protocol_version().unwrap())
    };
    assert!(agreed().starts_with("TLSv1_2 "));
    let mut admin = connect(&server);
    admin.ask("CONFIG SET tls-ciphers ECDHE+CHACHA20");
    assert_eq!(agreed(), "TLSv1_2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    admin.call(&["CONFIG", "SET", "tls-protocols", "", "tls-ciphersuites", "TLS_AES_128_GCM_SHA256"]);
    assert_eq!(agreed(), "TLSv1_3 TLS13_AES_128_GCM_SHA256");
}

#[test]
fn sessions_are_taken_up_only_if_that_is_on() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let mut admin = connect(&server);
    for versions in ["TLSv1.2", "TLSv1.3"] {
        for (caching, resumed) in [("yes", true), ("no", false)] {
            admin.call(&["CONFIG", "SET", "tls-protocols", versions, "tls-session-caching", caching]);
            let config = pki.client_config(None);
            let kinds: Vec<bool> = (0..2)
                .map(|_| {
                    let mut wire = Wire::over(stream(addr, Arc::clone(&config)));
                    assert_eq!(wire.ask("PING"), pong());
                    wire.stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
                })
                .collect();
            assert_eq!(kinds, [false, resumed], "{versions} {caching}");
        }
    }
}

#[test]
fn pipelines_and_big_values_pass() {
    let pki = Pki::new();
    let (_server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let mut wire = pki.connect(addr);
    let big: String = (0..10 << 20).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    assert_eq!(wire.call(&["SET", "big", &big]), Reply::ok());
    assert_eq!(wire.ask("GET big"), Reply::bulk(&big));
    assert_eq!(wire.call(&["APPEND", "big", &big]), Reply::Integer(20 << 20));
    assert_eq!(wire.ask("STRLEN big"), Reply::Integer(20 << 20));
    let numbers: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let pipeline: Vec<u8> = numbers.iter().flat_map(|number| request(&["ECHO", number])).collect();
    wire.send_raw(&pipeline).unwrap();
    for number in &numbers {
        assert_eq!(wire.read().unwrap(), Reply::bulk(number));
    }
    // Values of every size around that of a record, and of one that is queued by reference.
    for size in [16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 65_537, 100_000] {
        let value = &big[..size];
        wire.call(&["SET", "k", value]);
        wire.send_raw(&request(&["GET", "k"]).repeat(3)).unwrap();
        for _ in 0..3 {
            assert_eq!(wire.read().unwrap(), Reply::bulk(value), "{size}");
        }
    }
}

#[test]
fn records_may_hold_single_bytes_and_packets_too() {
    let pki = Pki::new();
    let (_server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let bytes = [request(&["SET", "k", "value"]), request(&["GET", "k"])].concat();
    let mut wire = pki.connect(addr);
    for byte in &bytes {
        wire.send_raw(&[*byte]).unwrap();
    }
    assert_eq!(wire.read().unwrap(), Reply::ok());
    assert_eq!(wire.read().unwrap(), Reply::bulk("value"));
    // Every byte of the handshake and of the records in a packet of its own.
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(pki.client_config(None), name).unwrap();
    let mut wire = Wire::over(StreamOwned::new(client, Drip(socket)));
    wire.send_raw(&bytes).unwrap();
    assert_eq!(wire.read().unwrap(), Reply::ok());
    assert_eq!(wire.read().unwrap(), Reply::bulk("value"));
}

/// A socket that takes one byte at a time.
struct Drip(TcpStream);

impl Read for Drip {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Drip {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn half_a_handshake_is_closed_at_the_deadline() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no", "--authentication-timeout", "1"]);
    // A real beginning, cut at several places, and nothing at all.
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(pki.client_config(None), name).unwrap().write_tls(&mut hello).unwrap();
    let mut halves: Vec<TcpStream> = [0, 1, 5, 50, hello.len() - 1, hello.len()]
        .iter()
        .map(|&len| {
            let mut socket = TcpStream::connect(addr).unwrap();
            socket.write_all(&hello[..len]).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            socket
        })
        .collect();
    // Meanwhile others are served.
    let mut wire = pki.connect(addr);
    assert_eq!(wire.ask("PING"), pong());
    for half in &mut halves {
        let mut rest = Vec::new();
        // It ends, in order or with a reset.
        assert!(
            !matches!(half.read_to_end(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
    assert_eq!(wire.ask("PING"), pong());
    assert_eq!(server.engine.clients.len(), 1);
}

#[test]
fn a_certificate_can_be_made_for_development() {
    let folder = TempDir::new().unwrap();
    let options = ["--dir", folder.path().to_str().unwrap(), "--tls-auto", "yes"];
    let read = |name: &str| std::fs::read_to_string(Path::new(folder.path()).join(name)).unwrap();
    let (server, addr) = start(&options);
    let certificate = read("tls-auto.crt");
    assert!(is_served(addr, &client_config(&certificate, None)));
    drop(server);
    // The next start uses the same one.
    let (_server, addr) = start(&options);
    assert_eq!(read("tls-auto.crt"), certificate);
    assert!(is_served(addr, &client_config(&certificate, None)));
    let mode = std::fs::metadata(folder.path().join("tls-auto.key")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
}

#[test]
fn a_certificate_that_comes_to_nothing_leaves_no_files() {
    let folder = TempDir::new().unwrap();
    let server =
        Server::start(&["--save", "", "--dir", folder.path().to_str().unwrap()], Time::system()).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut wire = connect(&server);
    for rest in ["tls-port 1 tls-ciphersuites nonsense".to_owned(), format!("tls-port {port}")] {
        let refusal = wire.ask(&format!("CONFIG SET tls-auto yes {rest}")).error_text();
        assert!(refusal.starts_with("ERR CONFIG SET failed"), "{refusal}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "{rest}: {refusal}");
    }
}

#[test]
fn clients_kill_each_other_while_their_pipelines_run() {
    let pki = Pki::new();
    let (server, addr) = pki.server(&["--tls-auth-clients", "no"]);
    let config = pki.client_config(None);
    // Those who come behind it kill each other, not this one.
    let mut admin = connect(&server);
    let Reply::Integer(own_id) = admin.ask("CLIENT ID") else { panic!("no id") };
    let threads: Vec<_> = (0..20)
        .map(|number: i64| {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut wire = Wire::over(stream(addr, config));
                let victim = (own_id + 1 + number * 7 % 20).to_string();
                let line =
                    [request(&["PING"]).repeat(50), request(&["CLIENT", "KILL", "ID", &victim])].concat();
                let _ = wire.send_raw(&line.repeat(5));
                while wire.read().is_ok() && !wire.is_closed() {}
            })
        })
        .collect();
    assert_eq!(admin.ask("PING"), pong());
    eventually("all are gone or answered", || {
        admin.ask("CLIENT KILL TYPE normal SKIPME yes");
        threads.iter().all(|thread| thread.is_finished())
    });
    assert_eq!(admin.ask("PING"), pong());
}
