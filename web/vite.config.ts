import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** What is built is for production, whatever the process that builds is itself (a test, say). */
const forProduction = (): Plugin => {
  const outer = process.env['NODE_ENV']
  return {
    name: 'for-production',
    apply: 'build',
    config: () => void (process.env['NODE_ENV'] = 'production'),
    closeBundle: () => void (outer !== undefined && (process.env['NODE_ENV'] = outer)),
  }
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [forProduction(), react()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/auth': 'http://127.0.0.1:8080' } },
})
