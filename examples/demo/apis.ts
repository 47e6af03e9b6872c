/** The same API on three hosts, each behind the same gate. */

import type { Server } from 'node:http'
import type { Gate } from '@bearergate/core'
import { serve } from '@hono/node-server'
import { expressApi } from './express-api.ts'
import { fetchApi } from './fetch-api.ts'
import { koaApi } from './koa-api.ts'
import { type Running, running } from './running.ts'
import type { Sessions } from './sessions.ts'

export interface Api extends Running {
  readonly name: 'Express' | 'Koa' | 'fetch'
}

/** @param firstPort of three in a row; 0 takes free ones */
export async function startApis(gate: Gate, sessions: Sessions, firstPort = 0): Promise<readonly Api[]> {
  const hostname = '127.0.0.1'
  const port = (index: number) => (firstPort === 0 ? 0 : firstPort + index)
  const express = expressApi(gate, sessions).listen(port(0), hostname)
  const koa = koaApi(gate, sessions).listen(port(1), hostname)
  const fetch = serve({ fetch: fetchApi(gate, sessions), port: port(2), hostname }) as Server
  return Promise.all([named('Express', express), named('Koa', koa), named('fetch', fetch)])
}

async function named(name: Api['name'], server: Server): Promise<Api> {
  return { name, ...(await running(server)) }
}
