//! A client library, synchronous and asynchronous, both protocol versions.

use redis::{Commands, Connection};

use super::support::server;

fn library(server: &ochre::server::embed::Server, query: &str) -> Connection {
    let client = redis::Client::open(format!("redis://{}/{query}", server.addr)).unwrap();
    client.get_connection().unwrap()
}

#[test]
fn a_library_reads_what_it_wrote() {
    let server = server(&[]);
    for query in ["", "?protocol=resp3"] {
        let mut client = library(&server, query);
        let () = client.set("text", "value \r\n with bytes \0").unwrap();
        assert_eq!(client.get::<_, Vec<u8>>("text").unwrap(), b"value \r\n with bytes \0");
        assert_eq!(client.get::<_, Option<String>>("missing").unwrap(), None);
        let () = client.set("n", 41).unwrap();
        assert_eq!(client.incr::<_, _, i64>("n", 1).unwrap(), 42);
        let () = client.mset(&[("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(
            client.mget::<_, Vec<Option<String>>>(&["a", "x", "b"]).unwrap(),
            [Some("1".into()), None, Some("2".into())]
        );
        let error = client.incr::<_, _, i64>("text", 1).unwrap_err();
        assert!(error.to_string().contains("not an integer"), "{error}");
        assert_eq!(client.del::<_, i64>(&["a", "b", "n", "text"]).unwrap(), 4);
    }
}

#[test]
fn a_library_pipelines_and_shares_a_connection() {
    let server = server(&["--io-threads", "2"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = redis::Client::open(format!("redis://{}/", server.addr)).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let mut connection = connection.clone();
                tokio::spawn(async move {
                    let mut pipe = redis::pipe();
                    for step in 0..100 {
                        pipe.set(format!("{task}:{step}"), step).ignore().get(format!("{task}:{step}"));
                    }
                    let values: Vec<i64> = pipe.query_async(&mut connection).await.unwrap();
                    assert_eq!(values, (0..100).collect::<Vec<i64>>());
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut connection = connection;
        let size: i64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        assert_eq!(size, 5_000);
    });
}

#[test]
fn a_database_of_the_url_is_selected() {
    let server = server(&[]);
    let () = library(&server, "3").set("k", "three").unwrap();
    assert_eq!(library(&server, "").get::<_, Option<String>>("k").unwrap(), None);
    assert_eq!(library(&server, "3").get::<_, String>("k").unwrap(), "three");
}

#[test]
fn a_password_is_asked_for() {
    let server = server(&["--requirepass", "open sesame"]);
    let addr = server.addr;
    assert!(redis::Client::open(format!("redis://{addr}/")).unwrap().get_connection().is_ok_and(
        |mut client| {
            let error = client.get::<_, Option<String>>("k").unwrap_err();
            error.code() == Some("NOAUTH")
        }
    ));
    assert!(redis::Client::open(format!("redis://:wrong@{addr}/")).unwrap().get_connection().is_err());
    let client = redis::Client::open(format!("redis://:open%20sesame@{addr}/")).unwrap();
    assert_eq!(client.get_connection().unwrap().get::<_, Option<String>>("k").unwrap(), None);
}
