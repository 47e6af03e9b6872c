/** Every peer as a small real app on loopback, written as its documentation says; each loads only its own modules. */

import type { Running } from '../support/server.ts'
import type { Setup } from './authority.ts'
import * as express from './peers/express.ts'
import * as fastify from './peers/fastify.ts'
import * as hono from './peers/hono.ts'
import * as koa from './peers/koa.ts'

export type Host = 'express' | 'koa' | 'fetch' | 'fastify'

export interface Peer {
  readonly title: string
  readonly host: Host
  /** Where it learns whether a token is good: the issuer's keys, a lookup in memory, its server, or not at all. */
  readonly by: 'keys' | 'lookup' | 'server' | 'nothing'
  /** The packages it is made of, for their versions. */
  readonly packages: readonly string[]
  start(setup: Setup): Promise<Running>
}

const GUARDS = {
  'bearergate-express': peer(
    'bearergate (Express)',
    'express',
    'keys',
    express.bearergate,
    '@bearergate/express',
  ),
  'bearergate-koa': peer('bearergate (Koa)', 'koa', 'keys', koa.bearergate, '@bearergate/koa'),
  'bearergate-fetch': peer(
    'bearergate (fetch)',
    'fetch',
    'keys',
    hono.bearergate,
    '@bearergate/core',
    '@hono/node-server',
  ),
  'express-oauth2-jwt-bearer': peer(
    'express-oauth2-jwt-bearer',
    'express',
    'keys',
    express.oauth2JwtBearer,
    'express-oauth2-jwt-bearer',
  ),
  'express-jwt': peer(
    'express-jwt + jwks-rsa',
    'express',
    'keys',
    express.expressJwt,
    'express-jwt',
    'jwks-rsa',
  ),
  'koa-jwt': peer('koa-jwt + jwks-rsa', 'koa', 'keys', koa.koaJwt, 'koa-jwt', 'jwks-rsa'),
  'passport-jwt': peer(
    'passport-jwt + jwks-rsa',
    'express',
    'keys',
    express.passportJwt,
    'passport-jwt',
    'passport',
    'jwks-rsa',
  ),
  'passport-http-bearer': peer(
    'passport-http-bearer (lookup)',
    'express',
    'lookup',
    express.passportHttpBearer,
    'passport-http-bearer',
    'passport',
  ),
  'hono-jwk': peer('hono jwk', 'fetch', 'keys', hono.honoJwk, 'hono'),
  'hono-bearer': peer('hono bearerAuth (lookup)', 'fetch', 'lookup', hono.honoBearer, 'hono'),
  'fastify-bearer': peer(
    '@fastify/bearer-auth (lookup)',
    'fastify',
    'lookup',
    fastify.fastifyBearer,
    '@fastify/bearer-auth',
    'fastify',
  ),
  'fastify-jwt': peer(
    '@fastify/jwt + get-jwks',
    'fastify',
    'keys',
    fastify.fastifyJwt,
    '@fastify/jwt',
    'get-jwks',
    'fastify',
  ),
  'better-auth': peer('better-auth', 'fetch', 'keys', hono.betterAuth, 'better-auth', '@hono/node-server'),
  mcp: peer('MCP SDK v1 + jose', 'express', 'keys', express.mcp, '@modelcontextprotocol/sdk', 'jose'),
  mcp2: peer(
    'MCP SDK v2 + jose',
    'express',
    'keys',
    express.mcp2,
    '@modelcontextprotocol/server',
    '@modelcontextprotocol/express',
    'jose',
  ),
}

/** What only the benchmark needs: the frameworks without a guard, and variants. */
const MEASURES = {
  'express-bare': peer('bare Express', 'express', 'nothing', express.bare, 'express'),
  'express-noop': peer('a middleware that only calls next', 'express', 'nothing', express.noop, 'express'),
  'express-hash': peer(
    'a middleware that only hashes the token',
    'express',
    'nothing',
    express.hashOnly,
    'express',
  ),
  'bearergate-express-lookup': peer(
    'bearergate (Express), opaque, lookup at once',
    'express',
    'lookup',
    express.bearergateLookup,
    '@bearergate/express',
  ),
  'bearergate-express-introspection': peer(
    'bearergate (Express), introspection, cached',
    'express',
    'server',
    express.bearergateIntrospection,
    '@bearergate/express',
  ),
  'express-jose': peer('jose by hand in Express', 'express', 'keys', express.joseByHand, 'jose'),
  'koa-bare': peer('bare Koa', 'koa', 'nothing', koa.bare, 'koa'),
  'koa-noop': peer('a middleware that only calls next', 'koa', 'nothing', koa.noop, 'koa'),
  'koa-hash': peer('a middleware that only hashes the token', 'koa', 'nothing', koa.hashOnly, 'koa'),
  'bearergate-koa-lookup': peer(
    'bearergate (Koa), opaque, lookup at once',
    'koa',
    'lookup',
    koa.bearergateLookup,
    '@bearergate/koa',
  ),
  'bearergate-koa-introspection': peer(
    'bearergate (Koa), introspection, cached',
    'koa',
    'server',
    koa.bearergateIntrospection,
    '@bearergate/koa',
  ),
  'fetch-bare': peer(
    'bare fetch handler on Hono’s server',
    'fetch',
    'nothing',
    hono.bare,
    '@hono/node-server',
  ),
}

export type PeerId = keyof typeof GUARDS | keyof typeof MEASURES

export const PEERS: Readonly<Record<PeerId, Peer>> = { ...GUARDS, ...MEASURES }
/** Those that guard something, by their ids. */
export const GUARD_IDS = Object.keys(GUARDS) as readonly PeerId[]

function peer(
  title: string,
  host: Host,
  by: Peer['by'],
  start: Peer['start'],
  ...packages: readonly string[]
): Peer {
  return { title, host, by, start, packages }
}
