/**
 * Shares the state of gates between processes on Redis 6.2 and later, and Valkey, as `@bearergate/redis`. The package `redis`
 * connects to it.
 */

export type { RedisClient } from './connection.ts'
export { type RedisJwksStoreOptions, redisJwksStore } from './jwks-store.ts'
export { type RedisResultsOptions, type ResultsEvent, redisResults } from './results.ts'
export {
  type FeedEvent,
  type RedisRevocations,
  type RedisRevocationsOptions,
  redisRevocations,
} from './revocations.ts'
