// ioredis over TLS: pipelines, transactions, messages, big values, many connections, and no trust in strangers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Redis from 'ioredis';

const [host, port, authority] = [process.argv[2], Number(process.argv[3]), readFileSync(process.argv[4])];
const connect = (options = {}) => new Redis({ host, port, tls: { ca: authority }, ...options });
const redis = connect();

const big = Buffer.alloc(1 << 20, 'tls ');
assert.equal(await redis.set('tls:big', big), 'OK');
assert.deepEqual(await redis.getBuffer('tls:big'), big);
const pipeline = redis.pipeline();
for (let number = 0; number < 2000; number += 1) pipeline.incrby('tls:n', number);
const replies = await pipeline.exec();
assert.equal(replies.length, 2000);
assert.deepEqual(replies.at(-1), [null, 1999000]);
assert.deepEqual(await redis.multi().set('tls:a', 1).get('tls:a').exec(), [[null, 'OK'], [null, '1']]);

const subscriber = connect();
await subscriber.subscribe('tls:news');
const told = new Promise((resolve) => subscriber.on('message', (channel, text) => resolve([channel, text])));
assert.equal(await redis.publish('tls:news', 'hello'), 1);
assert.deepEqual(await told, ['tls:news', 'hello']);

const many = Array.from({ length: 50 }, () => connect());
assert.deepEqual(new Set(await Promise.all(many.map((one) => one.get('tls:a')))), new Set(['1']));
await Promise.all([...many, subscriber].map((one) => one.quit()));

// Who is not told whom to trust trusts nobody.
const wary = connect({ tls: {}, lazyConnect: true, retryStrategy: null });
wary.on('error', () => {});
await assert.rejects(wary.connect());
await redis.del('tls:big', 'tls:n', 'tls:a');
await redis.quit();
console.log('ok: ioredis over TLS, %d connections', many.length + 2);
