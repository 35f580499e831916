variable "name" {
  description = "What everything is called; letters, digits and hyphens."
  type        = string
  default     = "perennial"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "3 to 21 of a-z, 0-9 and hyphen, beginning with a letter."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "zones" {
  description = "Two of the region's availability zones."
  type        = list(string)
  validation {
    condition     = length(distinct(var.zones)) == 2
    error_message = "Two different zones."
  }
}

variable "certificate_arn" {
  description = "The domain's certificate in ACM, in this region."
  type        = string
}

variable "service_image" {
  description = "perennial/service by digest, as it is first deployed; `make deploy-ecs` deploys later ones."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.service_image))
    error_message = "By digest: NAME@sha256:..., so that what was tested is what runs."
  }
}

variable "monitoring_image" {
  description = "perennial/monitoring by digest, as it is first deployed."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.monitoring_image))
    error_message = "By digest: NAME@sha256:..., so that what was tested is what runs."
  }
}

variable "github_repository" {
  description = "owner/name whose workflows deploy and train."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network; /16."
  type        = string
  default     = "10.40.0.0/16"
}

variable "database_class" {
  description = "RDS instance class."
  type        = string
  default     = "db.t4g.micro"
}

variable "database_multi_az" {
  description = "Whether a second database stands by in another zone; doubles its price."
  type        = bool
  default     = true
}

variable "database_password" {
  description = "Letters and digits, drawn anew before each apply; used only when its version grows."
  type        = string
  sensitive   = true
  ephemeral   = true # in no state and no plan
  validation {
    condition     = can(regex("^[A-Za-z0-9]{32,64}$", var.database_password))
    error_message = "32 to 64 letters and digits: export TF_VAR_database_password=$(openssl rand -hex 20)."
  }
}

variable "database_password_version" {
  description = "A larger number gives the database another password; deploy the service afterwards."
  type        = number
  default     = 1
}

variable "replicas" {
  description = "Least and most replicas of the service."
  type        = object({ least = number, most = number })
  default     = { least = 2, most = 10 }
}

variable "autoscaling" {
  description = "Whether load counts the replicas; false = replicas.least. Moto's server cannot."
  type        = bool
  default     = true
}

variable "protected" {
  description = "Whether files are backed up, and database, balancer and full buckets refuse to be destroyed."
  type        = bool
  default     = true
}
