import { DormouseError } from '../../../workflows/errors.ts'
import type { SandboxSpec } from '../../ports.ts'

/** The image table's name of the platform's own image; see records/images.ts. */
const BASE = 'base'

/** What a node pulls: the configured base image, or the registry's reference that the image's row has. */
export const imageReference = (image: SandboxSpec['image'], baseImage: string): string => {
  if (image.name === BASE) return baseImage
  if (image.name === 'host')
    throw new DormouseError(
      'ImageNotFound',
      'image "host" is of the local runtime; on kubernetes start from "base" or a registry image',
    )
  return image.name
}
