// Redlock and rate-limiter-flexible.
import assert from 'node:assert/strict';
import Redis from 'ioredis';
import Redlock from 'redlock';
import { RateLimiterRedis } from 'rate-limiter-flexible';

const redis = new Redis(Number(process.argv[3]), process.argv[2]);
const redlock = new Redlock([redis], { retryCount: 100, retryDelay: 5, retryJitter: 5 });
let inside = 0;
let rounds = 0;
await Promise.all(
  Array.from({ length: 10 }, async () => {
    for (let round = 0; round < 5; round += 1) {
      const lock = await redlock.lock('lock:shared', 5000);
      inside += 1;
      assert.equal(inside, 1, 'two hold the lock');
      await redis.ping();
      inside -= 1;
      rounds += 1;
      await lock.unlock();
    }
  }),
);
assert.equal(rounds, 50);
const lock = await redlock.lock(['lock:a', 'lock:b'], 1000);
await lock.extend(2000);
const impatient = new Redlock([redis], { retryCount: 0 });
await assert.rejects(impatient.lock('lock:b', 1000));
await lock.unlock();
console.log('ok: redlock, %d turns', rounds);

const limiter = new RateLimiterRedis({ storeClient: redis, points: 5, duration: 60, keyPrefix: 'limit' });
const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => limiter.consume('user')));
assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 5);
assert.equal((await limiter.get('user')).remainingPoints, 0);
console.log('ok: rate-limiter-flexible');
redis.disconnect();
