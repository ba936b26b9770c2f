import { haproxyHarness } from '../support/front-door.ts';
import { balancerConformance } from './balancer.ts';

balancerConformance('HAProxy', (waitMs) => haproxyHarness({ waitMs }));
