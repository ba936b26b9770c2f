import { haproxyHarness } from '../support/front-door.ts';
import { balancerConformance, waitMs } from './balancer.ts';

balancerConformance('HAProxy', () => haproxyHarness({ waitMs }));
