/** A Redis Cluster, and a Redis with Sentinels, of the test's own. Neither fails over before the test says so. */

import type { RedisClient } from '@bearergate/redis'
import { createCluster, createSentinel } from 'redis'
import { type Client, connect, freePort, type RedisServer, startRedis, startSentinel } from './redis.ts'

/** Longer than any test, so that a busy machine causes no failover. In milliseconds. */
const NEVER = '600000'
/** After how much silence of a primary a failover begins, once the test allows it. In milliseconds. */
const SOON = '500'
const SENTINEL_NAME = 'main'

/** A server, with a connection for the commands of an operator. */
export interface RedisNode extends RedisServer {
  readonly admin: Client
}

/** Waits until it is true. Servers tell each other, and no test, what they agree on. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function startNode(...options: readonly string[]): Promise<RedisNode> {
  const server = await startRedis(...options)
  const admin = await connect(server.url)
  return {
    ...server,
    admin,
    async close() {
      admin.destroy()
      await server.close()
    },
  }
}

function hasReplica({ admin }: RedisNode): Promise<boolean> {
  return admin.info('replication').then((text) => /slave0:.*state=online/.test(text))
}

async function replicate({ admin }: RedisNode): Promise<void> {
  await until(async () => (await admin.wait(1, 0)) === 1)
}

/** Counts the connections of clients to these servers, those of operators included. */
export async function countConnections(admins: readonly Client[]): Promise<number> {
  const lists = await Promise.all(
    admins.map((admin) => admin.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal'])),
  )
  return lists.join('').split('\n').filter(Boolean).length
}

/** Several servers, one of which replaces the primary if that fails. */
export interface TestServers<C extends RedisClient = RedisClient> {
  /** The primary that stores the key at first. */
  readonly primary: RedisNode
  readonly replica: RedisNode
  /** The servers that a client needs to know. */
  readonly seeds: readonly RedisServer[]
  connect(options?: { readonly readsReplicas?: boolean }): Promise<C>
  /** Returns after the replica has received everything that was written on the primary. */
  replicate(): Promise<void>
  /** Lets the others promote the replica if the primary does not answer. */
  allowFailover(): Promise<void>
  /** Counts the connections to all servers. */
  countConnections(): Promise<number>
  close(): Promise<void>
}

/** Three primaries with a third of the slots each, and a replica of the one that stores a key. */
export interface TestCluster extends TestServers<ClusterClient> {
  /** Another primary. */
  readonly other: RedisNode
  /** Moves the slot of the key to `other`. Calls `between` after the key was moved, and before the slot is. */
  moveSlot(between: () => Promise<void>): Promise<void>
}

export type ClusterClient = Awaited<ReturnType<typeof connectCluster>>

async function connectCluster(nodes: readonly RedisNode[], useReplicas: boolean) {
  const client = createCluster({
    rootNodes: nodes.map(({ url }) => ({ url })),
    defaults: { socket: { reconnectStrategy: 50 } },
    topologyRefreshOnReconnectionAttemptStrategy: 100,
    useReplicas,
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

export async function startCluster(key: string): Promise<TestCluster> {
  const start = async () =>
    startNode(
      ...['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())],
      ...['--cluster-node-timeout', NEVER, '--cluster-replica-validity-factor', '0'],
      ...['--repl-diskless-sync-delay', '0'],
    )
  const nodes = await Promise.all([start(), start(), start(), start()])
  const slot = await nodes[0].admin.clusterKeySlot(key)
  const index = Math.floor(slot / 5462)
  const primary = nodes[index] as RedisNode
  const other = nodes[(index + 1) % 3] as RedisNode
  const replica = nodes[3]
  const cluster = ({ admin }: RedisNode, ...args: string[]) => admin.sendCommand(['CLUSTER', ...args])
  const ids = await Promise.all(nodes.map(({ admin }) => admin.clusterMyId()))
  const idOf = (node: RedisNode) => ids[nodes.indexOf(node)] as string

  for (const [number, node] of nodes.slice(0, 3).entries()) {
    await cluster(node, 'SET-CONFIG-EPOCH', String(number + 1))
    await node.admin.clusterAddSlotsRange({
      start: number * 5462,
      end: Math.min(number * 5462 + 5461, 16_383),
    })
  }
  for (const node of nodes)
    for (const { port, admin } of nodes) {
      const { 'cluster-port': busPort } = await admin.configGet('cluster-port')
      if (port !== node.port) await cluster(node, 'MEET', '127.0.0.1', String(port), String(busPort))
    }
  const countOf = async (node: RedisNode, pattern: RegExp) =>
    String(await cluster(node, 'NODES'))
      .split('\n')
      .filter((line) => pattern.test(line)).length
  for (const node of nodes) await until(async () => (await countOf(node, /master - .* connected/)) >= 3)
  await until(() =>
    cluster(replica, 'REPLICATE', idOf(primary)).then(
      () => true,
      () => false,
    ),
  )
  for (const node of nodes) {
    await until(async () => (await countOf(node, /slave .* connected/)) === 1)
    await until(async () => String(await cluster(node, 'INFO')).includes('cluster_state:ok'))
  }
  await until(() => hasReplica(primary))
  // `CLUSTER SLOTS` has no replica that has received nothing.
  await primary.admin.set(key, 'first')
  await primary.admin.del(key)
  for (const node of nodes)
    await until(async () => JSON.stringify(await cluster(node, 'SLOTS')).includes(String(replica.port)))

  return {
    primary,
    replica,
    other,
    seeds: nodes,
    connect: ({ readsReplicas = false } = {}) => connectCluster(nodes, readsReplicas),
    replicate: () => replicate(primary),
    countConnections: () => countConnections(nodes.map(({ admin }) => admin)),
    async allowFailover() {
      for (const node of nodes) if (node !== primary) await node.admin.configSet('cluster-node-timeout', SOON)
    },
    async moveSlot(between) {
      await cluster(other, 'SETSLOT', String(slot), 'IMPORTING', idOf(primary))
      await cluster(primary, 'SETSLOT', String(slot), 'MIGRATING', idOf(other))
      await primary.admin.migrate('127.0.0.1', other.port, key, 0, 60_000)
      await between()
      for (const node of [other, primary]) await cluster(node, 'SETSLOT', String(slot), 'NODE', idOf(other))
    },
    async close() {
      await Promise.all(nodes.map((node) => node.close()))
    },
  }
}

export type SentinelClient = Awaited<ReturnType<typeof connectSentinel>>

async function connectSentinel(sentinels: readonly RedisServer[], replicaPoolSize: number) {
  const client = createSentinel({
    name: SENTINEL_NAME,
    sentinelRootNodes: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    nodeClientOptions: { socket: { reconnectStrategy: 50 } },
    replicaPoolSize,
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Starts a primary with a replica, and three Sentinels that watch them. */
export async function startSentinels(): Promise<TestServers<SentinelClient>> {
  const start = (...options: string[]) => startNode('--repl-diskless-sync-delay', '0', ...options)
  const primary = await start()
  const replica = await start('--replicaof', '127.0.0.1', String(primary.port))
  await until(() => hasReplica(primary))
  const servers = await Promise.all([startSentinel(), startSentinel(), startSentinel()])
  const admins = await Promise.all(servers.map(({ url }) => connect(url)))
  const all = (...args: string[]) =>
    Promise.all(admins.map((admin) => admin.sendCommand(['SENTINEL', ...args])))
  const watched = [SENTINEL_NAME, '127.0.0.1', String(primary.port), '2']
  await all('MONITOR', ...watched)
  await all('SET', SENTINEL_NAME, 'down-after-milliseconds', NEVER, 'failover-timeout', '5000')
  for (const admin of admins)
    await until(async () => (await admin.info('sentinel')).includes('slaves=1,sentinels=3'))
  return {
    primary,
    replica,
    seeds: servers,
    connect: ({ readsReplicas = false } = {}) => connectSentinel(servers, readsReplicas ? 1 : 0),
    replicate: () => replicate(primary),
    countConnections: () => countConnections([...admins, primary.admin, replica.admin]),
    async allowFailover() {
      await all('SET', SENTINEL_NAME, 'down-after-milliseconds', SOON)
    },
    async close() {
      for (const admin of admins) admin.destroy()
      await Promise.all([...servers, primary, replica].map((server) => server.close()))
    },
  }
}
