// SPDX-License-Identifier: MIT
// ioredis: connect, ready by INFO, each type, pipelines, pub/sub, end.
import assert from 'node:assert/strict';
import Redis from 'ioredis';

const port = Number(process.argv[2]);
const c = new Redis(port, '127.0.0.1', { db: 2, connectionName: 'tester' });
await new Promise((done, failed) => c.on('ready', done).on('error', failed));
await c.flushall();
assert.equal(await c.client('GETNAME'), 'tester');
assert.equal(await c.set('k', 'v', 'EX', 100), 'OK');
assert.equal(await c.get('k'), 'v');
assert.deepEqual(await c.getBuffer('k'), Buffer.from('v'));
assert.equal(await c.rpush('l', 'a', 'b'), 2);
assert.deepEqual(await c.lrange('l', 0, -1), ['a', 'b']);
assert.equal(await c.hset('h', { f: 1, g: 2 }), 2);
assert.deepEqual({ ...await c.hgetall('h') }, { f: '1', g: '2' });
assert.equal(await c.sadd('s', 'a', 'b'), 2);
assert.deepEqual((await c.smembers('s')).sort(), ['a', 'b']);
assert.equal(await c.zadd('z', 1.5, 'a', 2, 'b'), 2);
assert.deepEqual(await c.zrange('z', 0, -1), ['a', 'b']);
assert.deepEqual(await c.pipeline().set('p', 1).incr('p').lpush('p', 1).exec()
    .then((all) => all.map(([e, v]) => e ? e.message.slice(0, 9) : v)),
                 ['OK', 2, 'WRONGTYPE']);
assert.deepEqual(await c.multi().incr('p').get('p').exec(),
                 [[null, 3], [null, '3']]);
const found = [];
for await (const keys of c.scanStream({ count: 10 })) found.push(...keys);
assert.deepEqual(found.sort(), ['h', 'k', 'l', 'p', 's', 'z']);
const sub = c.duplicate();
const message = new Promise((done) => sub.on('message', (ch, m) =>
    done([ch, m])));
await sub.subscribe('ch');
await c.publish('ch', 'hello');
assert.deepEqual(await message, ['ch', 'hello']);
const other = c.duplicate();
const waiting = other.brpop('jobs', 5);
await c.lpush('jobs', 'job');
assert.deepEqual(await waiting, ['jobs', 'job']);
// two workers of a group; what one leaves undone the other takes over
await c.xgroup('CREATE', 'x', 'workers', '$', 'MKSTREAM');
const first = other.xreadgroup('GROUP', 'workers', 'a', 'COUNT', 10, 'BLOCK',
                               5000, 'STREAMS', 'x', '>');
const jobs = [];
for (let i = 0; i < 20; i++) jobs.push(await c.xadd('x', '*', 'n', i));
const had = (await first)[0][1];
assert.deepEqual(had[0], [jobs[0], ['n', '0']]);
const rest = await c.xreadgroup('GROUP', 'workers', 'b', 'STREAMS', 'x', '>');
assert.equal(had.length + rest[0][1].length, 20);
assert.equal(await c.xack('x', 'workers', ...rest[0][1].map((e) => e[0])),
             rest[0][1].length);
const [at, taken, lost] = await c.xautoclaim('x', 'workers', 'b', 0, '0');
assert.deepEqual([at, taken, lost], ['0-0', had, []]);
assert.equal(await c.xack('x', 'workers', ...taken.map((e) => e[0])),
             taken.length);
assert.deepEqual(await c.xpending('x', 'workers'), [0, null, null, null]);
assert.equal((await c.xinfo('STREAM', 'x')).length, 20);
assert.equal(await c.xtrim('x', 'MAXLEN', 5), 15);
assert.equal((await c.xrange('x', '-', '+')).length, 5);
await assert.rejects(c.call('NOSUCH', 'x'), /unknown command/);
await sub.quit();
await other.quit();
await c.quit();
console.log('ioredis: all well');
