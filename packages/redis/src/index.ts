/**
 * Shares the state of gates between processes on Redis 6.0 and later, and Valkey, as `@bearergate/redis`. The package `redis`
 * connects to it: to a single server, to a cluster, or through Sentinels.
 */

export type { RedisClient } from './connection.ts'
export { type RedisJwksStoreOptions, redisJwksStore } from './jwks-store.ts'
export { type RedisResultsOptions, type ResultsEvent, redisResults } from './results.ts'
export { type RedisRevocations, type RevocationsDescription, redisRevocations } from './revocations.ts'
export type { FeedEvent, RedisRevocationsOptions } from './revocations-options.ts'
